/* SPDX-License-Identifier: MIT */
/*
 * What earlier attempts of a request left behind about its open calls: calls outside that were begun, what people
 * decided, children that have ended. Asked only when a conversation was loaded with open calls, not in the normal path.
 */
#pragma once
#include "agent.h"

struct ledger_decision {
	const char *status;  /* as in change_proposals, or used: a yes to run a lost call again, and it was; NULL = nobody was asked */
	const char *note;    /* or NULL */
	const char *answer;  /* of a question */
};

struct ledger_entry {
	bool started;        /* a call outside was begun, and its outcome was not written */
	struct ledger_decision approval, question, unknown;
	const cJSON *child;  /* { child, agent, status, answer | error, ... }: a request made for it that has ended */
};

struct ledger;

/* Reads it all, one query each for calls and children. waits. */
bool ledger_load(struct agent_run *run, struct ledger **ledger, struct err *e);
struct ledger_entry ledger_of(const struct ledger *l, const char *tool_call_id);
/* The first child of this type and request that nobody has taken yet, or NULL: so the children of one turn go to its
 * calls in order. */
const cJSON *ledger_take_child(struct ledger *l, const char *type, const char *request);
