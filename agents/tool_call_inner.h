/* SPDX-License-Identifier: MIT */
/* Inside tool_call*.c only: one call of the model on its way. */
#pragma once
#include "tool_call.h"
#include "tool_ledger.h"

struct call {
	struct agent_run *run;
	struct conversation *c;
	struct model_block block;  /* a copy: its place in the conversation moves when it is answered */
	const struct tool *tool;
	void *args;
	const char *refusal;       /* why it cannot run; or NULL */
	struct ledger_entry known; /* what earlier attempts left */
	struct tool_env env;
	int64_t began;
	bool taken, told;          /* by a fiber; to the log */
	bool spawns;               /* waits for a child that is not made yet */
	struct agent_proposal asks; /* kind NULL = it does not wait for people */
};

/* Everything that can be said without running it: x is ready, or x->refusal says why not. false = the request ends. */
bool call_prepare(struct agent_run *run, struct conversation *c, const struct model_block *block, struct call *x,
	struct err *e);
/* waits. Answered, or it asks, or it spawns. */
bool call_go(struct call *x, struct err *e);

/* ---- answers; each waits ---- */

bool call_answer(struct call *x, const char *output, const char *status, struct err *e);
/* { "error": why }, that the model can mend. */
bool call_refuse(struct call *x, const char *why, struct err *e);
/* { "error": why } with another status. */
bool call_tell(struct call *x, const char *why, const char *status, struct err *e);
/* What a person decided against it, or that none did. */
bool call_denied(struct call *x, const struct ledger_decision *d, struct err *e);

/* ---- steps ---- */

/* The log learns of it, once. */
void call_log(struct call *x);
const char *call_input(const struct call *x);
/* What is too long for the model is cut, and says so. */
const char *call_output(struct call *x, const cJSON *result);
/* It waits for people; the request is run again when they have decided. */
void call_ask(struct call *x, const char *kind, const char *preview, const char *text);
/* Adds the step that fails unless exactly this call was approved, where that is needed. Their number. */
size_t call_approval_step(struct call *x, struct arena *a, struct pg_step *steps);
/* run or probe within limits.tool_ms: x->env.deadline is set from now. One that does not return is cancelled. waits. */
bool call_bounded(struct call *x, const cJSON **result, struct err *e);
bool call_probe(struct call *x, enum tool_found *found, const cJSON **result, struct err *e);

/* tool_call_outside.c: intent, call, outcome. waits. */
bool call_outside(struct call *x, struct err *e);
