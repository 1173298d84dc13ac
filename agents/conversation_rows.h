/* SPDX-License-Identifier: MIT */
/* Inside conversation*.c only: between the messages and their rows. */
#pragma once
#include "conversation.h"

/* Keeps a model turn: fence and blocks, one transaction. waits. */
bool conversation_keep_turn(struct agent_run *run, const struct conversation *c, const struct model_turn *turn, struct err *e);
/* The tool_result block of an answer, as the model gets it. */
const char *conversation_result_block(struct arena *a, const struct tool_answer *answer);
/* The results live in a. waits. */
bool conversation_commit(struct arena *a, struct agent_run *run, const struct pg_step *steps, size_t n, struct err *e);
