/* SPDX-License-Identifier: MIT */
/* What pause, resume and limit share: the words SCOPE and KEY, and letting go what was parked. */
#pragma once
#include "command.h"

struct limits_place {
	const char *scope, *key; /* key is "" for scope all; NULL when not given */
	const char *text;        /* "type quotes", for people */
};

extern const struct word limits_words[];          /* SCOPE [KEY] */
extern const struct word limits_optional_words[]; /* [SCOPE [KEY]] */

/* A scope that is known, with its key: else a usage error. No word at all: scope NULL. */
bool limits_place_of(struct command_run *run, struct limits_place *p, struct err *e);
/* The same with a key that must be given, after a scope that the words require. */
bool limits_whole_place_of(struct command_run *run, struct limits_place *p, struct err *e);
/* waits. Step by step, what was parked for it becomes a candidate again, as much as has room. */
bool limits_make_room(struct pg *db, const struct limits_place *p, struct err *e);
/* "paused type quotes" or {"scope":..., "key":..., "changed":...}. Not changed: exit is EXIT_NO_MATCH. */
void limits_tell(struct command_run *run, const struct limits_place *p, const char *done, const char *not_done,
	bool changed, bool json);
