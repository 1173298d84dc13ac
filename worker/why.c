/* SPDX-License-Identifier: MIT */
#include "why_inner.h"

enum { INDENT = 5, IDS_BYTES = 4096 };

static const cJSON *cause_of(struct arena *a, const struct pg_rows *rows, int i)
{
	struct err ignored = { 0 };
	const char *text = pg_text(rows, i, "cause");
	return text ? json_parse(a, str_of(text), &ignored) : NULL;
}

const char *why_related_ids(struct arena *a, const struct why *w)
{
	static const char *const waited_for[] = { "children", "siblings" };
	struct buf *b = buf_new(a, IDS_BYTES);
	for (int i = 0; i < w->causes.n; i++) {
		const cJSON *c = cause_of(a, &w->causes, i), *item;
		const char *name = json_text(c, "cause");
		for (size_t k = 0; name && k < COUNT(waited_for); k++)
			if (strcmp(name, waited_for[k]) == 0)
				json_each (item, json_get(c, "ids"))
					pg_array_add_i64(b, (int64_t)cJSON_GetNumberValue(item));
		if (json_get(c, "request"))
			pg_array_add_i64(b, json_i64(c, "request", 0));
	}
	return pg_array_end(b);
}

static struct why_words words_of(struct arena *a, const struct why *w, const struct pg_rows *of,
	const struct pg_rows *causes, int row, int i)
{
	const cJSON *c = cause_of(a, causes, i);
	if (!c)
		return (struct why_words){ "it is ready, and nothing but its place in line holds it back", NULL };
	return why_words_of(a, w, c, pg_text(of, row, "id"), pg_text(of, row, "phase"));
}

/* ---- for programs ---- */

static void put_words(cJSON *object, struct why_words words)
{
	json_put_text(object, "text", words.text);
	if (words.todo)
		json_put_text(object, "do", words.todo);
}

static void put_cause(struct arena *a, cJSON *array, const struct pg_rows *rows, int i, struct why_words words)
{
	cJSON *object = json_add_object(array);
	const cJSON *item, *c = cause_of(a, rows, i);
	json_each (item, c)
		json_put_copy(object, item->string, item);
	put_words(object, words);
}

cJSON *why_json(struct arena *a, const struct why *w)
{
	cJSON *all = json_object(a);
	json_put_copy(all, "request", pg_row_json(a, &w->request, 0));
	cJSON *causes = json_put_array(all, "causes"), *related;
	for (int i = 0; i < w->causes.n; i++)
		put_cause(a, causes, &w->causes, i, words_of(a, w, &w->request, &w->causes, 0, i));
	related = json_put_array(all, "waits_for");
	for (int i = 0; i < w->related.n; i++) {
		cJSON *object = json_add_object(related);
		json_put_i64(object, "id", pg_i64(&w->related, i, "id"));
		json_put_text(object, "type", pg_text(&w->related, i, "type"));
		json_put_text(object, "phase", pg_text(&w->related, i, "phase"));
		put_words(object, words_of(a, w, &w->related, &w->related, i, i));
	}
	struct why_words words = why_words_of_line(a, w);
	if (words.text) {
		json_put_copy(all, "line", pg_row_json(a, &w->line, 0));
		put_words(json_put_object(all, "place"), words);
	}
	return all;
}

/* ---- for people ---- */

static void print_head(const struct printer *p, struct arena *a, const struct why *w)
{
	const char *status = pg_text(&w->request, 0, "status"), *phase = pg_text(&w->request, 0, "phase");
	bool both = strcmp(status, phase) != 0;
	print_styled(p, STYLE_BOLD, "request %s ", pg_text(&w->request, 0, "id"));
	print_brief(p, STYLE_BOLD, pg_text(&w->request, 0, "type"), 0);
	fprintf(p->to, " %s%s%s; made %s ago\n", status, both ? ", " : "", both ? phase : "",
		print_duration(a, pg_i64(&w->request, 0, "age_ms")));
}

static void print_words(const struct printer *p, int nth, struct why_words words)
{
	print_styled(p, STYLE_BOLD, "  %d. ", nth);
	print_text(p, nth == 1 ? STYLE_YELLOW : STYLE_PLAIN, str_of(words.text), -1);
	fputc('\n', p->to);
	if (!words.todo)
		return;
	print_styled(p, STYLE_CYAN, "     > ");
	print_text(p, STYLE_CYAN, str_of(words.todo), -1);
	fputc('\n', p->to);
}

static void print_related(const struct printer *p, struct arena *a, const struct why *w)
{
	for (int i = 0; i < w->related.n; i++) {
		if (i == 0)
			print_styled(p, STYLE_DIM, "  what it waits for:\n");
		print_styled(p, STYLE_BOLD, "     %s ", pg_text(&w->related, i, "id"));
		print_brief(p, STYLE_BOLD, pg_text(&w->related, i, "type"), 0);
		fprintf(p->to, " %s: ", pg_text(&w->related, i, "phase"));
		print_text(p, STYLE_PLAIN, str_of(words_of(a, w, &w->related, &w->related, i, i).text), -1);
		fputc('\n', p->to);
	}
}

void why_print(const struct printer *p, struct arena *a, const struct why *w)
{
	struct why_words place = why_words_of_line(a, w);
	print_head(p, a, w);
	for (int i = 0; i < w->causes.n; i++)
		print_words(p, i + 1, words_of(a, w, &w->request, &w->causes, 0, i));
	if (place.text)
		print_words(p, w->causes.n + 1, place);
	print_related(p, a, w);
}
