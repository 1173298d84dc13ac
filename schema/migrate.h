/* SPDX-License-Identifier: MIT */
/*
 * The database's shape: migrations by module, applied in order, once, under a lock, each in a transaction, with its
 * checksum. A file that was applied may not change afterwards.
 */
#pragma once
#include "pg.h"

struct migration {
	const char *module;
	int version;
	const char *name, *path, *text;
};

struct migrate_report {
	int applied, already;
};

/* The list ends with { 0 }. done is told of each that is applied; may be NULL. waits.
 * ERR_INPUT "migration_changed" names the file that differs from what was applied; then nothing is applied. */
bool migrate(struct pg *db, const struct migration *list, void (*done)(const struct migration *m), int64_t deadline,
	struct migrate_report *report, struct err *e);
/* How many of the list the database lacks; as above for changed ones. waits. */
bool migrate_pending(struct pg *db, const struct migration *list, int64_t deadline, int *pending, struct err *e);
