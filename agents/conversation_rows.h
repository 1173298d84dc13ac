/* SPDX-License-Identifier: MIT */
/* Inside conversation*.c and history.c only: between the conversation and its rows. */
#pragma once
#include "conversation.h"

#define STOP_BROKEN "broken" /* Drover's own stop_reason, of a row that only ends a turn that broke off */

/* ---- conversation_rows.c ---- */

/* Blocks of a model turn on their way into agent_turns. */
struct kept_blocks {
	int64_t sequence;      /* of the row before the first block */
	const struct model_block *blocks;
	size_t from, to;       /* these are written */
	bool mark;             /* a row before the first ends a turn that broke off */
	const struct model_turn *end; /* the turn ends here; or NULL */
};
/* With the end of a turn whose last block is written already, a row of its own ends it. */
struct pg_step conversation_keep_step(struct arena *a, const struct agent_run *run, const struct kept_blocks *k);
/* Keeps a whole model turn: tokens counted (the fence) and blocks, one transaction. waits. */
bool conversation_keep_turn(struct agent_run *run, const struct conversation *c, const struct model_turn *turn,
	struct err *e);
struct pg_step conversation_say_step(struct arena *a, const struct agent_run *run, int64_t sequence, const char *text,
	const char *block);
/* The tool_result block of an answer, as the model gets it. */
const char *conversation_result_block(struct arena *a, const struct tool_answer *answer);
/* The results live in a. waits. */
bool conversation_commit(struct arena *a, struct agent_run *run, const struct pg_step *steps, size_t n, struct err *e);

/* ---- conversation_fold.c: the conversation grows by one thing at a time, live as in a replay ---- */

/* Nothing said yet. What is folded comes behind what is in the prompt. */
void fold_begin(struct conversation *c, struct prompt *p);
/* The model is asked for a turn, or its first block is here. What is too much is cut now. */
void fold_turn(struct conversation *c);
void fold_block(struct conversation *c, const struct model_block *b);
/* prompt_tokens: as the provider counted them, 0 = not known. */
void fold_end(struct conversation *c, const char *stop_reason, int64_t prompt_tokens);
/*
 * The turn ended without an end. With a finished tool call in it, it counts as ended; with text and no call, the text
 * stays and mend says that a user row must ask for the rest; else nothing of it is sent.
 */
void fold_broken(struct conversation *c);
void fold_text(struct conversation *c, const char *raw);
/* False when the last turn has no such call without a result. */
bool fold_result(struct conversation *c, const char *call, const char *raw);
/* Position of a call in its turn; -1 when the last turn has none of that id. */
int64_t fold_call_place(const struct conversation *c, const char *call);

/* ---- conversation_replay.c ---- */

/* Folds rows from..to of what sql_turn_load gave; they must live as long as c. own: inputs of calls are read. */
bool conversation_replay(struct conversation *c, const struct pg_rows *rows, int from, int to, bool own, struct err *e);
/* What the model is told first: the request and its context. before: results of siblings, or NULL. */
const char *conversation_first_block(struct arena *a, const char *request, const cJSON *context,
	const struct pg_rows *before);

/* ---- conversation_model.c ---- */

/* The smallest window of the models that may be asked; 0 = not known. */
int64_t conversation_window(const struct agent_run *run);
/* The one of them whose answers cost most. */
const struct model_config *conversation_dearest(const struct agent_run *run);
