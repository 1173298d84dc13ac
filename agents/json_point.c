/* SPDX-License-Identifier: MIT */
#include "json_point.h"

/* The text is JSON already, so nothing here has to doubt it; but nothing may run past its end either. */
struct walk {
	const char *p, *end;
};

static void skip_blanks(struct walk *w)
{
	while (w->p < w->end && memchr(" \t\r\n", *w->p, 4))
		w->p++;
}

static void skip_text(struct walk *w)
{
	for (w->p++; w->p < w->end && *w->p != '"'; w->p++)
		if (*w->p == '\\')
			w->p++;
	w->p = MIN_OF(w->p + 1, w->end);
}

static void skip_value(struct walk *w)
{
	int depth = 0;
	do {
		skip_blanks(w);
		if (w->p >= w->end)
			return;
		if (*w->p == '"') {
			skip_text(w);
		} else if (memchr("[{]},:", *w->p, 6)) {
			depth += *w->p == '[' || *w->p == '{';
			depth -= *w->p == ']' || *w->p == '}';
			w->p++;
		} else {
			while (w->p < w->end && !memchr("[{]},:\" \t\r\n", *w->p, 11))
				w->p++;
		}
	} while (depth > 0);
}

/* w stands before an item, or before the end of its list. */
static bool next_item(struct walk *w)
{
	skip_blanks(w);
	if (w->p < w->end && *w->p == ',') {
		w->p++;
		skip_blanks(w);
	}
	return w->p < w->end && *w->p != ']' && *w->p != '}';
}

static bool enter_object(struct walk *w, struct str step)
{
	for (w->p++; next_item(w);) {
		struct str key = { w->p + 1, 0 };
		skip_text(w);
		key.n = (size_t)(w->p - key.p) - 1;
		skip_blanks(w);
		w->p = MIN_OF(w->p + 1, w->end); /* the colon */
		if (str_eq(key, step))
			return true;
		skip_value(w);
	}
	return false;
}

static bool enter_list(struct walk *w, struct str step)
{
	int64_t n;
	bool number = str_to_i64(step, &n) && n >= 0 && (step.n == 1 || step.p[0] != '0');
	for (w->p++; number && next_item(w); n--) {
		if (n == 0)
			return true;
		skip_value(w);
	}
	return false;
}

/* "~1" is a slash, "~0" a tilde. */
static struct str unescape(char *to, size_t room, struct str step)
{
	size_t n = 0;
	for (size_t i = 0; i < step.n && n < room; i++) {
		bool escaped = step.p[i] == '~' && i + 1 < step.n;
		to[n++] = escaped ? step.p[++i] == '1' ? '/' : '~' : step.p[i];
	}
	return (struct str){ to, n };
}

bool json_pointer_is_good(const char *pointer)
{
	for (const char *p = pointer; *p; p++)
		if (*p == '~' && p[1] != '0' && p[1] != '1')
			return false;
	return !*pointer || *pointer == '/';
}

bool json_point(struct str json, const char *pointer, struct str *part)
{
	enum { STEP_BYTES = 1000 };
	char room[STEP_BYTES];
	struct walk w = { json.p, json.p + json.n };
	struct str rest = str_of(*pointer ? pointer + 1 : ""), step;
	while (*pointer && str_next(&rest, '/', &step)) {
		step = unescape(room, sizeof(room), step);
		skip_blanks(&w);
		bool found = w.p < w.end && ((*w.p == '{' && enter_object(&w, step)) || (*w.p == '[' && enter_list(&w, step)));
		if (!found)
			return false;
	}
	skip_blanks(&w);
	part->p = w.p;
	skip_value(&w);
	part->n = (size_t)(w.p - part->p);
	return part->n > 0;
}
