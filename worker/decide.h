/* SPDX-License-Identifier: MIT */
/* What approve and reject share. */
#pragma once
#include "command.h"

struct decide_options {
	const char *note;
	bool json;
};

extern const struct word decide_words[];

/* Decides the proposal of the first word, and says what became of it. waits. verdict: approved or rejected. */
bool decide(struct command_run *run, const char *verdict, struct err *e);
