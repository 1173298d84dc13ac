/* SPDX-License-Identifier: MIT */
/* mock-model: the scripted model as a server, for demos, tests and benchmarks of everything but the model. */
#include "commands.h"
#include "demo_script.h"
#include "load.h"
#include "mock.h"
#include <sys/resource.h>

struct mock_model_options {
	const char *script, *host, *tls_cert, *tls_key;
	int64_t port;
	bool json, load, trace;
};

#define AT(c_type, member) FLAG_AT(struct mock_model_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "script", "FILE", FLAG_TEXT, AT(const char *, script),
		"What it answers, YAML; without it the demo's script", .is_file = true },
	{ 0, "host", "ADDRESS", FLAG_TEXT, AT(const char *, host), "Where it listens", .preset = "127.0.0.1" },
	{ 0, "port", "PORT", FLAG_NUMBER, AT(int64_t, port), "Port; 0 = any free one", .preset = "8900", .max = 65535 },
	{ 0, "tls-cert", "FILE", FLAG_TEXT, AT(const char *, tls_cert), "Certificate, PEM: serve HTTPS", .is_file = true },
	{ 0, "tls-key", "FILE", FLAG_TEXT, AT(const char *, tls_key), "Its key, PEM", .is_file = true },
	{ 0, "load", NULL, FLAG_SWITCH, AT(bool, load),
		"Give the script's first reply to every request, unchecked, to thousands of streams at once" },
	{ 0, "trace", NULL, FLAG_SWITCH, AT(bool, trace), "Print a line for each request, or each second under load" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "Print the counts at the end as JSON" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover mock-model", "Serve the demo's script on port 8900." },
	{ "DROVER_MODEL_BASE_URL=http://127.0.0.1:8900 drover worker", "Workers that use it." },
	{ 0 },
};

static bool load_script(struct command_run *run, struct script *out, struct err *e)
{
	const struct mock_model_options *o = run->options;
	struct config_problems problems = { 0 };
	bool ok = o->script ? script_load(run->arena, o->script, &problems, out)
			    : script_load_text(run->arena, "demo", str_of(script_demo), &problems, out);
	if (ok)
		return true;
	run->exit = EXIT_USAGE;
	for (const struct config_problem *p = problems.first; p && p->next; p = p->next)
		fprintf(stderr, "drover mock-model: %s\n", print_clean(run->arena, p->text, 0));
	const struct config_problem *last = problems.first;
	while (last && last->next)
		last = last->next;
	return FAIL(e, ERR_INPUT, "bad_script", "%s", last ? last->text : "the script cannot be read");
}

static bool wait_for_signal(void *arg, struct err *e)
{
	(void)arg;
	while (loop_park(NEVER_MS, e))
		; /* until the signal cancels it */
	return false;
}

static void tell_counts(const struct command_run *run, struct mock_counts n)
{
	const struct mock_model_options *o = run->options;
	if (o->json)
		printf("{\"requests\":%lld,\"answered\":%lld,\"rejected\":%lld,\"unmatched\":%lld,"
			"\"abandoned\":%lld}\n", (long long)n.requests, (long long)n.answered, (long long)n.rejected,
			(long long)n.unmatched, (long long)n.abandoned);
}

static void tell_url(const struct mock_model_options *o, int port)
{
	bool v6 = strchr(o->host, ':');
	printf("MODEL_BASE_URL=%s://%s%s%s:%d\n", o->tls_cert ? "https" : "http", v6 ? "[" : "", o->host, v6 ? "]" : "", port);
	fflush(stdout);
}

static void tell_request(int64_t us, size_t bytes, const char *reply)
{
	printf("request %lld %zu %s\n", (long long)us, bytes, reply);
	fflush(stdout);
}

static void tell_load(int64_t us, const struct load_counts *n)
{
	printf("load %lld %lld %lld %lld %lld\n", (long long)us, (long long)n->live, (long long)n->events,
		(long long)n->ended, (long long)n->cut);
	fflush(stdout);
}

static bool serve(struct command_run *run, struct mock *m, struct err *e)
{
	bool stopped;
	tell_url(run->options, mock_port(m));
	bool ok = command_until_signal(wait_for_signal, NULL, &stopped, e);
	tell_counts(run, mock_count(m));
	return ok;
}

static void raise_descriptors(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static bool serve_load(void *load, struct err *e)
{
	return load_serve(load, e);
}

static bool run_load(const struct mock_model_options *o, const struct script *script, struct err *e)
{
	ARENA_SCOPE(a);
	struct load_options options = { .script = script, .host = o->host, .port = (int)o->port,
		.tell = o->trace ? tell_load : NULL };
	if (o->tls_cert || o->tls_key)
		return FAIL(e, ERR_INPUT, "usage", "--load speaks no TLS: leave --tls-cert and --tls-key out, or --load");
	struct load *l = load_open(a, &options, e);
	if (!l)
		return false;
	bool stopped;
	log_level_set(LOG_ERROR); /* a turn of the wheel may take long, and that is no alarm */
	tell_url(o, load_port(l));
	return command_until_signal(serve_load, l, &stopped, e);
}

static bool run_mock(struct command_run *run, const struct script *script, struct err *e)
{
	const struct mock_model_options *o = run->options;
	struct group fibers = { .keep_going = true };
	struct mock *m;
	struct mock_options options = { .script = script, .host = o->host, .port = (int)o->port, .tls_cert = o->tls_cert,
		.tls_key = o->tls_key, .tell = o->trace ? tell_request : NULL };
	if (!mock_start(&options, &fibers, &m, e))
		return false;
	bool ok = serve(run, m, e);
	struct err ignored = { 0 };
	mock_stop(m);
	group_wait(&fibers, NEVER_MS, &ignored);
	return ok;
}

static bool mock_model_run(struct command_run *run, struct err *e)
{
	const struct mock_model_options *o = run->options;
	struct script script;
	if (!load_script(run, &script, e))
		return false;
	raise_descriptors();
	return o->load ? run_load(o, &script, e) : run_mock(run, &script, e);
}

const struct command command_mock_model = {
	.name = "mock-model",
	.text = "Serve a scripted model that speaks the provider's wire format",
	.more = "Prints one line MODEL_BASE_URL=http://ADDRESS:PORT when it is ready. SIGTERM or Ctrl-C ends "
		"it.",
	.flags = flags,
	.options_size = sizeof(struct mock_model_options),
	.examples = examples,
	.any_config = true,
	.run = mock_model_run,
};
