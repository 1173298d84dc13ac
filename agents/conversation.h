/* SPDX-License-Identifier: MIT */
/*
 * The conversation of one request with the model: what agent_turns holds, replayed, and grown block by block. A finished
 * block is a row before anything depends on it, so after a crash the request goes on from its last finished block, with
 * the same bytes.
 */
#pragma once
#include "agent.h"

struct conversation {
	cJSON *messages;       /* as the model gets them */
	int64_t sequence;      /* of the last block in agent_turns */
	int64_t turns;         /* model turns so far, all attempts */
	int64_t tool_calls;    /* so far, all attempts */
	struct model_block *open; /* tool calls of the last model turn that have no result yet */
	size_t n_open;
	struct model_block *calls; /* all tool calls so far */
	const char *stop_reason; /* of the last model turn */
	const char *text;      /* of the last model turn: its text blocks, joined */
};

/* Makes sure of the session, and replays what agent_turns holds of the request. waits. ERR_INPUT "foreign_session" when
 * the session is somebody else's. */
bool conversation_load(struct agent_run *run, struct conversation *c, struct err *e);
/* Asks the model for one turn and keeps it. The caller has checked its limits. waits. */
bool conversation_turn(struct agent_run *run, struct conversation *c, const char *force_tool, struct err *e);

/* The model has spoken last and needs no answer. A cut or refused turn is an end, whatever tools it names. */
bool conversation_ended(const struct conversation *c);
/* Whether the last turn ended as an answer should: else ERR_INPUT model_refused, context_too_long or answer_cut. */
bool conversation_stop_check(const struct conversation *c, struct err *e);

/* A tool's answer on its way into the conversation. */
struct tool_answer {
	const struct model_block *call;
	const char *output;    /* JSON */
	const char *status;    /* as in tool_executions: done, refused, dry_run, unknown, rejected, expired */
	int64_t ms;
};
/*
 * Answers of one turn may come in any order, from several fibers: each has its place (sequence number and position in
 * the message) by the order of the calls, and no model is asked before all are there.
 */
/* The steps, in a, that record an answer (execution row, turn), to be committed with the tool's effect. Their number. */
size_t conversation_answer_steps(struct arena *a, const struct agent_run *run, const struct conversation *c,
	const struct tool_answer *answer, struct pg_step steps[2]);
/* After the commit: the answer is part of the conversation. */
void conversation_answered(struct agent_run *run, struct conversation *c, const struct tool_answer *answer);
/* Records an answer that has no effect beside it. waits. */
bool conversation_answer(struct agent_run *run, struct conversation *c, const struct tool_answer *answer, struct err *e);
/* One question to the database on the run's behalf. waits. */
bool conversation_ask(struct agent_run *run, const struct sql *q, struct pg_args args, struct pg_rows *rows, struct err *e);
/* First step of every write of the run. */
struct pg_step conversation_fence(struct arena *a, const struct agent_run *run);
