/* SPDX-License-Identifier: MIT */
#include "log.h"
#include "json.h"
#include <time.h>

static enum log_level threshold = LOG_INFO;
static const struct log_context *current;
static const char *worker;

void log_level_set(enum log_level level)
{
	threshold = level;
}

void log_context_set(const struct log_context *context)
{
	current = context;
}

void log_worker_set(const char *name)
{
	worker = name;
}

static const char *utc_now(struct arena *a)
{
	struct timespec t;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	return arena_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, t.tv_nsec / 1000000);
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	if (level < threshold)
		return;
	char msg[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(msg, sizeof(msg), format, args);
	va_end(args);

	ARENA_SCOPE(tmp);
	cJSON *line = json_object(tmp);
	json_put_text(line, "t", utc_now(tmp));
	json_put_text(line, "level", names[level]);
	json_put_text(line, "event", event);
	if (worker)
		json_put_text(line, "worker", worker);
	if (current && current->request_id)
		json_put_i64(line, "request", current->request_id);
	if (current && current->session[0])
		json_put_text(line, "session", current->session);
	if (current && current->agent)
		json_put_text(line, "agent", current->agent);
	if (msg[0])
		json_put_text(line, "msg", msg);
	fprintf(stderr, "%s\n", json_print(tmp, line));
}
