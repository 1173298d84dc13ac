/* SPDX-License-Identifier: MIT */
/* reject: decides what an agent has asked people. */
#include "commands.h"
#include "decide.h"

#define AT(c_type, member) FLAG_AT(struct decide_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "note", "TEXT", FLAG_TEXT, AT(const char *, note), "For the agent: why, and what instead" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover reject 7 --note 'Not before Monday'", "The agent reads the note." },
	{ 0 },
};

static bool reject_run(struct command_run *run, struct err *e)
{
	return decide(run, "rejected", e);
}

const struct command command_reject = {
	.name = "reject",
	.text = "Refuse a tool call that waits for approval, or a question",
	.more = "The agent is told, with the note, and goes on. A decision is made once.",
	.words = decide_words,
	.flags = flags,
	.options_size = sizeof(struct decide_options),
	.examples = examples,
	.run = reject_run,
};
