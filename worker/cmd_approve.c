/* SPDX-License-Identifier: MIT */
/* approve: decides what an agent has asked people. */
#include "commands.h"
#include "decide.h"

#define AT(c_type, member) FLAG_AT(struct decide_options, c_type, member)
static const struct flag flags[] = {
	{ 0, "note", "TEXT", FLAG_TEXT, AT(const char *, note), "For the agent; of a question it is the answer" },
	{ 0, "json", NULL, FLAG_SWITCH, AT(bool, json), "One JSON object" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover approve 7", "The call runs as it was shown." },
	{ "drover approve 8 --note 'Only the first one'", "Answers a question." },
	{ 0 },
};

static bool approve_run(struct command_run *run, struct err *e)
{
	return decide(run, "approved", e);
}

const struct command command_approve = {
	.name = "approve",
	.text = "Let a tool call run that waits for approval, or answer a question",
	.more = "Its request goes on when nothing else is open. A decision is made once.",
	.words = decide_words,
	.flags = flags,
	.options_size = sizeof(struct decide_options),
	.examples = examples,
	.run = approve_run,
};
