/* SPDX-License-Identifier: MIT */
/* Values of options: text to struct config and back, by the row's type. One message for each way to be wrong. */
#include "config.h"
#include "options.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: a value is shown in the first unit that divides it. */
static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { 0 },
};
static const struct unit size_units[] = {
	{ "GiB", 1 << 30 }, { "GB", 1000000000 }, { "MiB", 1 << 20 }, { "MB", 1000000 },
	{ "KiB", 1 << 10 }, { "KB", 1000 }, { "B", 1 }, { 0 },
};

static void *place_of(const struct config_option *o, struct config *c)
{
	return (char *)c + o->offset;
}

static const char *show_scaled(struct arena *a, const struct unit *unit, int64_t n)
{
	while (n % unit->factor)
		unit++;
	return n ? arena_printf(a, "%lld%s", (long long)(n / unit->factor), unit->name) : "0";
}

static const char *show_number(const struct config_option *o, struct arena *a, int64_t n)
{
	if (o->type == OPTION_DURATION)
		return show_scaled(a, duration_units, n);
	if (o->type == OPTION_SIZE)
		return show_scaled(a, size_units, n);
	return arena_printf(a, "%lld", (long long)n);
}

/* "a, b or c", with what follows each. */
static const char *show_choices(const struct config_option *o, struct arena *a, const char *after)
{
	const char *all = "";
	for (const char *const *c = o->choices; *c; c++) {
		const char *between = c == o->choices ? "" : c[1] ? ", " : " or ";
		all = arena_printf(a, "%s%s%s%s", all, between, *c, after);
	}
	return all;
}

const char *option_range(const struct config_option *o, struct arena *a)
{
	switch (o->type) {
	case OPTION_BOOL:
		return "true or false";
	case OPTION_CHOICE:
		return show_choices(o, a, "");
	case OPTION_URL:
		return show_choices(o, a, "://...");
	case OPTION_TEXT:
		return arena_printf(a, "text, at most %lld bytes", (long long)o->max);
	case OPTION_INTEGER:
	case OPTION_DURATION:
	case OPTION_SIZE:
		break;
	}
	const char *zero = o->or_zero ? "0 or " : "";
	return arena_printf(a, "%s%s..%s", zero, show_number(o, a, o->min), show_number(o, a, o->max));
}

static bool fail_value(struct err *e, const char *must)
{
	return FAIL(e, ERR_INPUT, "bad_option", "must be %s", must);
}

static bool set_bool(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e)
{
	(void)a;
	if (!str_is(text, "true") && !str_is(text, "false"))
		return fail_value(e, "true or false");
	*(bool *)place_of(o, c) = str_is(text, "true");
	return true;
}

static bool set_choice(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e)
{
	size_t n = 0;
	for (; o->choices[n]; n++) {
		if (str_is(text, o->choices[n])) {
			*(int *)place_of(o, c) = (int)n; /* the compiler's enums are ints; test_config sets each */
			return true;
		}
	}
	const char *near = str_nearest(text, o->choices, n);
	const char *hint = near ? arena_printf(a, "; did you mean %s?", near) : "";
	return fail_value(e, arena_printf(a, "%s%s", option_range(o, a), hint));
}

static bool read_scaled(struct str text, const struct unit *units, bool unit_needed, int64_t *out)
{
	struct str digits = { text.p, 0 };
	while (digits.n < text.n && text.p[digits.n] >= '0' && text.p[digits.n] <= '9')
		digits.n++;
	struct str name = str_trim((struct str){ text.p + digits.n, text.n - digits.n });
	int64_t n;
	if (!str_to_i64(digits, &n))
		return false;
	for (const struct unit *u = units; u->name && name.n; u++)
		if (str_is(name, u->name))
			return !__builtin_mul_overflow(n, u->factor, out);
	*out = n;
	return !name.n && (!unit_needed || n == 0);
}

static bool read_number(const struct config_option *o, struct str text, int64_t *out)
{
	if (o->type == OPTION_DURATION)
		return read_scaled(text, duration_units, true, out);
	if (o->type == OPTION_SIZE)
		return read_scaled(text, size_units, false, out);
	return str_to_i64(text, out);
}

static bool set_number(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e)
{
	static const char *const forms[] = {
		[OPTION_INTEGER] = "a whole number",
		[OPTION_DURATION] = "a time with its unit, such as 250ms, 60s, 5m or 2h",
		[OPTION_SIZE] = "a size, such as 512, 4KB, 4KiB or 1MiB",
	};
	int64_t n;
	const char *range = option_range(o, a);
	if (!read_number(o, text, &n))
		return fail_value(e, arena_printf(a, "%s, from %s", forms[o->type], range));
	if ((n < o->min || n > o->max) && !(o->or_zero && n == 0))
		return fail_value(e, arena_printf(a, "%s%s", o->or_zero ? "" : "from ", range));
	*(int64_t *)place_of(o, c) = n;
	return true;
}

/* A line break in a header's value would be a second header. */
static bool has_bytes_up_to(struct str text, unsigned char highest)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= highest || text.p[i] == 0x7F)
			return true;
	return false;
}

static bool keep_text(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e)
{
	if ((int64_t)text.n < o->min)
		return fail_value(e, "some text: it is empty");
	if ((int64_t)text.n > o->max)
		return fail_value(e, arena_printf(a, "at most %lld bytes long", (long long)o->max));
	if (!utf8_valid(text) || has_bytes_up_to(text, 0x1F))
		return fail_value(e, "text in UTF-8 without line breaks and control characters");
	*(const char **)place_of(o, c) = arena_text(a, text);
	return true;
}

static bool set_text(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e)
{
	if (o->secret && has_bytes_up_to(text, ' '))
		return fail_value(e, "one word, the secret alone: it has blanks or line breaks in it");
	return keep_text(o, a, text, c, e);
}

/* Only what tells a URL from a slip; the library that opens it is the judge of the rest. */
static bool is_url(const struct config_option *o, struct str text)
{
	for (const char *const *scheme = o->choices; *scheme; scheme++) {
		size_t n = strlen(*scheme);
		if (str_starts(text, *scheme) && str_starts((struct str){ text.p + n, text.n - n }, "://"))
			return text.n > n + 3 && !has_bytes_up_to(text, ' ');
	}
	return false;
}

static bool set_url(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e)
{
	bool none = o->min == 0 && text.n == 0;
	if (!none && !is_url(o, text))
		return fail_value(e, arena_printf(a, "a URL without blanks: %s", option_range(o, a)));
	return keep_text(o, a, text, c, e);
}

bool option_set(const struct config_option *o, struct arena *a, struct str text, struct config *c, struct err *e)
{
	static bool (*const set[])(const struct config_option *, struct arena *, struct str, struct config *,
		struct err *) = {
		[OPTION_TEXT] = set_text,     [OPTION_URL] = set_url,           [OPTION_CHOICE] = set_choice,
		[OPTION_BOOL] = set_bool,     [OPTION_INTEGER] = set_number,    [OPTION_SIZE] = set_number,
		[OPTION_DURATION] = set_number,
	};
	return set[o->type](o, a, text, c, e);
}

int64_t option_number(const struct config_option *o, const struct config *c)
{
	return *(const int64_t *)((const char *)c + o->offset);
}

const char *option_get(const struct config_option *o, struct arena *a, const struct config *c)
{
	const void *at = (const char *)c + o->offset;
	switch (o->type) {
	case OPTION_TEXT:
	case OPTION_URL:
		return *(const char *const *)at;
	case OPTION_BOOL:
		return *(const bool *)at ? "true" : "false";
	case OPTION_CHOICE:
		return o->choices[*(const int *)at];
	case OPTION_INTEGER:
	case OPTION_DURATION:
	case OPTION_SIZE:
		break;
	}
	return show_number(o, a, option_number(o, c));
}
