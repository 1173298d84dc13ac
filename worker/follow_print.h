/* SPDX-License-Identifier: MIT */
/* Log rows for people: one line a row, but rows that continue each other go on in the same line. */
#pragma once
#include "pg.h"
#include "print.h"

struct follow_line {
	int64_t request_id;
	char agent[64];
	const char *kind;  /* of the line that is open, NULL = none */
	size_t breaks;     /* line breaks at its end, held back until more comes */
};

/* Prints row i of sql_tail_rows. */
void follow_print_row(const struct printer *out, struct follow_line *line, const struct pg_rows *rows, int i);
/* Ends the line that is open. */
void follow_print_end(const struct printer *out, struct follow_line *line);
