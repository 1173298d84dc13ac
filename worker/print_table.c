/* SPDX-License-Identifier: MIT */
/* Tables whose columns fit: cells are kept until the table ends. */
#include "print.h"
#include "print_inner.h"

struct cell {
	enum print_style style;
	const char *text;
	int width; /* characters */
};

enum { MAX_COLUMNS = 16, MAX_CELL = 120 };

struct print_table {
	struct arena *a;
	const struct print_column *columns;
	size_t n_columns;
	int widths[MAX_COLUMNS];
	struct cell *cells;
	size_t n, capacity;
};

static int characters(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

struct print_table *print_table_new(struct arena *a, const struct print_column *columns)
{
	struct print_table *t = arena_alloc(a, sizeof(*t));
	t->a = a;
	t->columns = columns;
	for (; t->n_columns < MAX_COLUMNS && columns[t->n_columns].title; t->n_columns++)
		t->widths[t->n_columns] = characters(columns[t->n_columns].title);
	return t;
}

static struct cell *next_cell(struct print_table *t)
{
	if (t->n == t->capacity) {
		t->capacity = MAX_OF(t->capacity * 2, (size_t)64);
		struct cell *grown = arena_alloc(t->a, t->capacity * sizeof(*grown));
		if (t->n)
			memcpy(grown, t->cells, t->n * sizeof(*grown));
		t->cells = grown;
	}
	return &t->cells[t->n++];
}

void print_cell(struct print_table *t, enum print_style style, const char *text)
{
	int *width = &t->widths[t->n % t->n_columns];
	struct cell *c = next_cell(t);
	c->style = style;
	c->text = text ? print_clean(t->a, text, MAX_CELL) : "-";
	c->width = characters(c->text);
	*width = MAX_OF(*width, c->width);
}

void print_cell_i64(struct print_table *t, int64_t n)
{
	print_cell(t, STYLE_PLAIN, print_number(t->a, n));
}

/* No blanks at the end of a line. */
static void print_padded(const struct print_table *t, const struct printer *p, size_t column, struct cell c)
{
	int blanks = t->widths[column] - c.width;
	bool right = t->columns[column].align == ALIGN_RIGHT, last = column + 1 == t->n_columns;
	fprintf(p->to, "%*s%s%s%s", right ? blanks : 0, "", print_on(p, c.style), c.text, print_off(p, c.style));
	fprintf(p->to, "%*s", last ? 0 : 2 + (right ? 0 : blanks), "");
	if (last)
		fputc('\n', p->to);
}

void print_table_end(struct print_table *t, const struct printer *p, int indent)
{
	fprintf(p->to, "%*s", indent, "");
	for (size_t i = 0; i < t->n_columns; i++) {
		const char *title = t->columns[i].title;
		print_padded(t, p, i, (struct cell){ STYLE_DIM, title, characters(title) });
	}
	for (size_t i = 0; i < t->n; i++) {
		if (i % t->n_columns == 0)
			fprintf(p->to, "%*s", indent, "");
		print_padded(t, p, i % t->n_columns, t->cells[i]);
	}
}
