/* SPDX-License-Identifier: MIT */
/* Values to and from Postgres' text form. */
#include "pg_inner.h"

/* Of the built-in types, fixed for good; their header comes only with the server's development package. */
enum {
	BOOLOID = 16,
	INT8OID = 20,
	INT2OID = 21,
	INT4OID = 23,
	JSONOID = 114,
	FLOAT4OID = 700,
	FLOAT8OID = 701,
	NUMERICOID = 1700,
	JSONBOID = 3802,
};

const char *pg_arg_value(struct arena *a, const struct pg_arg *arg)
{
	switch (arg->kind) {
	case PG_TEXT:
		return arena_text(a, utf8_clean(a, str_of(arg->text)));
	case PG_I64:
		return arena_printf(a, "%ld", (long)arg->i64);
	case PG_BOOL:
		return arg->i64 ? "t" : "f";
	default:
		return NULL;
	}
}

int pg_column(const struct pg_rows *rows, const char *column)
{
	int i = PQfnumber(rows->result, column);
	if (i < 0) {
		fprintf(stderr, "drover: no column \"%s\" in a result\n", column);
		abort();
	}
	return i;
}

const char *pg_text_at(const struct pg_rows *rows, int row, int column)
{
	return PQgetisnull(rows->result, row, column) ? NULL : PQgetvalue(rows->result, row, column);
}

int64_t pg_i64_at(const struct pg_rows *rows, int row, int column)
{
	const char *text = pg_text_at(rows, row, column);
	return text ? strtoll(text, NULL, 10) : 0;
}

bool pg_bool_at(const struct pg_rows *rows, int row, int column)
{
	const char *text = pg_text_at(rows, row, column);
	return text && text[0] == 't';
}

const char *pg_text(const struct pg_rows *rows, int row, const char *column)
{
	return pg_text_at(rows, row, pg_column(rows, column));
}

int64_t pg_i64(const struct pg_rows *rows, int row, const char *column)
{
	return pg_i64_at(rows, row, pg_column(rows, column));
}

bool pg_bool(const struct pg_rows *rows, int row, const char *column)
{
	return pg_bool_at(rows, row, pg_column(rows, column));
}

const char *pg_first(const struct pg_rows *rows)
{
	return pg_text_at(rows, 0, 0);
}

/* ---- rows as JSON ---- */

/* Digits that a double holds go as a number; NaN, Infinity and long ids as text. */
static bool is_plain_number(const char *text)
{
	size_t n = strspn(text, "-0123456789.");
	return text[n] == '\0' && n <= 15;
}

static void put_value(cJSON *object, const char *name, Oid type, const char *text)
{
	switch (type) {
	case INT2OID:
	case INT4OID:
	case INT8OID:
	case NUMERICOID:
	case FLOAT4OID:
	case FLOAT8OID:
		if (is_plain_number(text))
			json_put_raw(object, name, text);
		else
			json_put_text(object, name, text);
		break;
	case BOOLOID:
		json_put_bool(object, name, text[0] == 't');
		break;
	case JSONOID:
	case JSONBOID:
		json_put_raw(object, name, text);
		break;
	default:
		json_put_text(object, name, text);
	}
}

static void fill_row(cJSON *object, const PGresult *result, int row)
{
	for (int i = 0; i < PQnfields(result); i++) {
		if (PQgetisnull(result, row, i))
			json_put_text(object, PQfname(result, i), NULL);
		else
			put_value(object, PQfname(result, i), PQftype(result, i), PQgetvalue(result, row, i));
	}
}

cJSON *pg_row_json(struct arena *a, const struct pg_rows *rows, int row)
{
	cJSON *object = json_object(a);
	fill_row(object, rows->result, row);
	return object;
}

cJSON *pg_rows_json(struct arena *a, const struct pg_rows *rows)
{
	cJSON *array = json_array(a);
	for (int row = 0; row < rows->n; row++)
		fill_row(json_add_object(array), rows->result, row);
	return array;
}

/* ---- array literals ---- */

static void array_next(struct buf *b)
{
	buf_add(b, b->n ? STR(",") : STR("{"));
}

void pg_array_add(struct buf *b, const char *text)
{
	array_next(b);
	if (!text) {
		buf_add(b, STR("NULL"));
		return;
	}
	buf_add(b, STR("\""));
	for (size_t n; *text; text += n) {
		n = strcspn(text, "\"\\");
		if (n)
			buf_add(b, (struct str){ text, n });
		else
			buf_printf(b, "\\%c", text[n++]);
	}
	buf_add(b, STR("\""));
}

void pg_array_add_i64(struct buf *b, int64_t n)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (n < 0)
		*--p = '-';
	array_next(b);
	buf_add(b, (struct str){ p, (size_t)(digits + sizeof(digits) - p) });
}

const char *pg_array_end(struct buf *b)
{
	if (!b->n)
		return "{}";
	buf_add(b, STR("}"));
	return b->p;
}
