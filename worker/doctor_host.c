/* SPDX-License-Identifier: MIT */
/* Doctor on this side: the configuration, the machine's limits, the model's endpoint. */
#include "doctor.h"
#include "http.h"
#include "loop.h"
#include "options.h"
#include <sys/resource.h>

/* Beside one descriptor a running request: connections of the pool's own, the log, the loop. */
enum { OTHER_FILES = 64, MODEL_MS = 15000 };

void doctor_check_config(struct doctor *d)
{
	for (const struct config_problem *p = d->run->problems.first; p; p = p->next)
		doctor_say(d, DOCTOR_WRONG, "config", NULL, "%s", p->text);
	if (d->config_is_wrong)
		doctor_say(d, DOCTOR_WARN, "config", "mend it, then run doctor again",
			"what follows was checked without the configuration's file");
	else
		doctor_say(d, DOCTOR_OK, "config", NULL, "%s", d->run->config_file ? d->run->config_file : "no file");
}

void doctor_check_limits(struct doctor *d)
{
	struct rlimit files;
	int64_t need = d->config->worker.slots + d->config->database.pool + OTHER_FILES;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	bool few = files.rlim_cur != RLIM_INFINITY && (int64_t)files.rlim_cur < need;
	doctor_say(d, few ? DOCTOR_WARN : DOCTOR_OK, "files",
		few ? "raise it (ulimit -n, LimitNOFILE=), or lower worker.slots" : NULL,
		"%lld open files are allowed; %lld slots may need %lld", (long long)files.rlim_cur,
		(long long)d->config->worker.slots, (long long)need);
}

/* The providers that answer nobody without a key. */
static bool is_real_provider(const struct config *c)
{
	static const char *const hosts[] = { "https://api.anthropic.com", "https://api.openai.com", "https://openrouter.ai" };
	for (size_t i = 0; i < COUNT(hosts); i++)
		if (strncmp(c->model.base_url, hosts[i], strlen(hosts[i])) == 0)
			return true;
	return false;
}

void doctor_check_key(struct doctor *d)
{
	const struct config *c = d->config;
	if (*c->model.api_key)
		doctor_say(d, DOCTOR_OK, "model key", NULL, "there is one");
	else if (is_real_provider(c))
		doctor_say(d, DOCTOR_WRONG, "model key",
			c->model.api == API_OPENAI ? "set DROVER_MODEL_API_KEY, or model.api_key_file in the configuration"
						   : "set ANTHROPIC_API_KEY, or model.api_key_file in the configuration", "none, and %s wants one",
			c->model.base_url);
	else if (str_starts(str_of(c->model.base_url), "https://"))
		doctor_say(d, DOCTOR_WARN, "model key", "set model.api_key_file if the provider wants one", "none is sent to %s",
			config_redact_url(d->a, c->model.base_url));
	else
		doctor_say(d, DOCTOR_OK, "model key", NULL, "none is sent to %s",
			config_redact_url(d->a, c->model.base_url));
}

static void http_end(void *h)
{
	http_free(h);
}

/* Any answer will do: without a key and a path the provider has nothing better to say than no. */
void doctor_check_model(struct doctor *d)
{
	struct err e = { 0 };
	struct http_reply reply;
	const struct config *c = d->config;
	struct http_limits limits = { .connect_ms = c->model.connect_timeout_ms, .total_ms = MODEL_MS,
		.body_bytes = 65536 };
	struct http_request rq = { .method = "HEAD", .url = c->model.base_url, .limits = limits };
	struct http *h = http_new();
	arena_defer(d->a, http_end, h);
	if (http_call(h, d->a, &rq, NULL, deadline_in(MODEL_MS), &reply, &e))
		doctor_say(d, DOCTOR_OK, "model", NULL, "%s answers", config_redact_url(d->a, c->model.base_url));
	else
		doctor_say(d, DOCTOR_WRONG, "model",
			"is model.base_url right, and does a firewall or proxy stand between?", "%s: %s",
			config_redact_url(d->a, c->model.base_url), e.msg);
}
