/* SPDX-License-Identifier: MIT */
/*
 * What people and programs read: aligned tables, colours only on a terminal, durations in words, JSON. Text that came
 * from a model, a user or a database goes out through print_text or as JSON: no control character reaches a terminal.
 */
#pragma once
#include "json.h"

struct printer {
	FILE *to;
	bool colour;
	int width; /* columns of the terminal; 0 = not a terminal, nothing is cut */
};

enum print_style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_CYAN, PRINT_STYLES };

/* Colours when it is a terminal, NO_COLOR is empty and TERM is not dumb. */
struct printer print_to(FILE *to);
/* Ours: no foreign text in here. */
void print_styled(const struct printer *p, enum print_style style, const char *format, ...) PRINTF_LIKE(3, 4);
/* Foreign text: controls become \x1b, bad UTF-8 becomes U+FFFD. A line break is kept when indent >= 0 and followed by
 * that many blanks; else it becomes a blank. */
void print_text(const struct printer *p, enum print_style style, struct str s, int indent);
/* The same on one line, cut to n characters with an ellipsis; n 0 = not cut. */
void print_brief(const struct printer *p, enum print_style style, const char *text, size_t n);
/* The same as a copy: for table cells. */
const char *print_clean(struct arena *a, const char *text, size_t n);

/* A table is printed when it is whole, so that columns fit. */
struct print_table;
enum print_align { ALIGN_LEFT, ALIGN_RIGHT };
struct print_column {
	const char *title;
	enum print_align align;
};
/* columns end with { 0 } and outlive the table. */
struct print_table *print_table_new(struct arena *a, const struct print_column *columns);
/* Cells from left to right, row by row; the text is cleaned. NULL is "-". */
void print_cell(struct print_table *t, enum print_style style, const char *text);
void print_cell_i64(struct print_table *t, int64_t n);
void print_table_end(struct print_table *t, const struct printer *p, int indent);

/* "830 ms", "12.4 s", "3 min 20 s", "2 h 5 min", "4 d 1 h" */
const char *print_duration(struct arena *a, int64_t ms);
/* "1,234,567" */
const char *print_number(struct arena *a, int64_t n);
/* One line of JSON; characters that a terminal would obey are escaped. */
void print_json(const struct printer *p, const cJSON *value);
void print_json_text(const struct printer *p, struct str json);
/* Many lines, for people: two blanks a level. */
void print_json_pretty(const struct printer *p, const char *json, int indent);
