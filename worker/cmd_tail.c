/* SPDX-License-Identifier: MIT */
/* tail: what agents think, while they think it. */
#include "commands.h"
#include "follow.h"

struct tail_options {
	const char *session;
	bool no_follow, json;
};

#define AT(c_type, member) FLAG_AT(struct tail_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "session", "UUID", FLAG_UUID, AT(const char *, session), "Every request of this session instead of one" },
	{ 0, "no-follow", NULL, FLAG_SWITCH, AT(bool, no_follow), "Show what is there and end" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One row of agent_logs a line, as JSON" },
	{ 0 },
};

static const struct word words[] = {
	{ "ID", "Number of the request; its children's rows are shown too", WORD_ID, .optional = true },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover tail 42", "Follow request 42 until it has ended." },
	{ "drover tail --session 8f14e45f-ceea-467f-a0e6-9d1f2c6a7b10 --no-follow", "What was thought in a session." },
	{ "drover tail 42 --json | jq -r .kind", "The rows for a program." },
	{ 0 },
};

static bool follow_body(void *arg, struct err *e)
{
	return follow_run(arg, e);
}

static bool tail_run(struct command_run *run, struct err *e)
{
	const struct tail_options *o = run->options;
	struct follow f = { .out = run->out, .session_id = o->session, .json = o->json, .once = o->no_follow };
	bool stopped;
	if ((run->n_words == 1) == (o->session != NULL))
		return command_usage(run, e, "give either the ID of a request or --session UUID");
	if (run->n_words)
		f.request_id = command_id(run, 0);
	f.db = command_db(run, e);
	if (!f.db || !command_until_signal(follow_body, &f, &stopped, e))
		return false;
	if (f.found || stopped)
		return true;
	run->exit = EXIT_NO_MATCH;
	if (o->session)
		return FAIL(e, ERR_INPUT, "no_request", "session %s has no request with a log, and none that is open",
			o->session);
	return FAIL(e, ERR_INPUT, "no_request", "there is no request %s", run->words[0]);
}

const struct command command_tail = {
	.name = "tail",
	.text = "Follow what agents think about a request",
	.more = "Shows every row from the first on, then new ones as they are written, and ends when the "
		"request and its children have ended. Rows that continue each other are joined. Ctrl-C "
		"stops looking, not the request.",
	.words = words,
	.flags = flags,
	.options_size = sizeof(struct tail_options),
	.examples = examples,
	.run = tail_run,
};
