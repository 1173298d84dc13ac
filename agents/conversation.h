/* SPDX-License-Identifier: MIT */
/*
 * The conversation of one request with the model: what agent_turns holds, replayed, and grown block by block. A finished
 * block is a row before anything depends on it, so after a crash the request goes on from its last finished block, with
 * the same bytes.
 */
#pragma once
#include "agent.h"
#include "compact.h"

struct conversation {
	int64_t sequence;      /* of the last row in agent_turns; the places of answers to come are counted */
	int64_t turns;         /* model turns so far, all attempts */
	int64_t tool_calls;    /* so far, all attempts */
	struct model_block *open; /* tool calls of the last model turn that have no result yet */
	size_t n_open;
	struct model_block *calls; /* all tool calls so far */
	const char *stop_reason; /* of the last model turn */
	const char *text;      /* of the last model turn: its text blocks, joined, those that broke off before it among them */

	/* Of conversation_fold.c. */
	struct compact_cut cut; /* what the turn that is asked for does without, since the last */
	struct prompt *prompt; /* what the model gets */
	struct buf *answer;    /* text grows here */
	const struct model_block *turn_calls; /* all of the last turn */
	size_t n_turn_calls;
	size_t first_part;     /* of the last turn, in the prompt */
	size_t first_result;   /* its results follow each other in the prompt, in the order of the calls */
	int64_t turn_end;      /* sequence of the last turn's last row: its results' numbers follow, in the same order */
	bool turn_open;        /* a turn has been asked for, or has begun to come */
	bool over;             /* the model has spoken last, to its end */
	bool goes_on;          /* the answer that comes is the rest of what is in text */
	int overflows;         /* turns that ended because the model's window was full */
	enum {
		MEND_NONE,
		MEND_TEXT,     /* the last turn broke off in its text: a user row must say so before the model is asked */
		MEND_MARK,     /* it broke off before anything that can be sent: its rows must be told from those that follow */
	} mend;
};

/* Makes sure of the session, and replays what agent_turns holds of the request, behind what the session's earlier
 * requests left (history.h). One round trip. waits. ERR_INPUT "foreign_session" when the session is somebody else's. */
bool conversation_load(struct agent_run *run, struct conversation *c, struct err *e);
/*
 * Asks the model for one turn and keeps it, each block as soon as it has ended. An answer that breaks off is gone on
 * with, at most retry.retries times: what had ended is kept, and what can be sent goes back. The caller has checked its
 * limits. waits. ERR_INPUT "context_too_long" when cutting does not help.
 */
bool conversation_turn(struct agent_run *run, struct conversation *c, const char *force_tool, struct err *e);
/* Keeps a message to the model in the user's place. waits. */
bool conversation_say(struct agent_run *run, struct conversation *c, const char *text, struct err *e);

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
 * For the model an answer is an error when the call had no effect and never will: refused, rejected, expired. unknown is
 * none: the call may have done its work, an error would invite to do it twice, and the output says what is known.
 *
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
bool conversation_ask(struct agent_run *run, const struct sql *q, struct pg_args args, struct pg_rows *rows,
	struct err *e);
bool conversation_is_error(const char *status);
/* First step of every write of the run. */
struct pg_step conversation_fence(struct arena *a, const struct agent_run *run);
