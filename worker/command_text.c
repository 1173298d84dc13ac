/* SPDX-License-Identifier: MIT */
#include "command_text.h"

const char *flag_form(struct arena *a, const struct flag *f)
{
	const char *letter = f->letter ? arena_printf(a, "-%c, ", f->letter) : "";
	if (!f->argument)
		return arena_printf(a, "%s--%s", letter, f->name);
	return arena_printf(a, f->value_optional ? "%s--%s[=%s]" : "%s--%s %s", letter, f->name, f->argument);
}

static const char *choices_of(struct arena *a, const struct flag *f)
{
	const char *all = "";
	for (const char *const *c = f->choices; c && *c; c++)
		all = arena_printf(a, "%s%s%s", all, c == f->choices ? "" : c[1] ? ", " : " or ", *c);
	return all;
}

static const char *range_of(struct arena *a, const struct flag *f)
{
	if (f->type != FLAG_NUMBER || !f->max)
		return "";
	return arena_printf(a, "%lld to %lld", (long long)f->min, (long long)f->max);
}

static const char *join(struct arena *a, const char *left, const char *right)
{
	return arena_printf(a, "%s%s%s", left, *left && *right ? "; " : "", right);
}

const char *flag_notes(struct arena *a, const struct flag *f)
{
	const char *preset = f->preset && *f->preset ? arena_printf(a, "default %s", f->preset) : "";
	const char *bare = f->bare ? arena_printf(a, "%s when left out", f->bare) : "";
	return join(a, join(a, join(a, choices_of(a, f), range_of(a, f)), preset), bare);
}

const char *word_form(struct arena *a, const struct word *w)
{
	const char *name = arena_printf(a, "%s%s", w->name, w->many ? "..." : "");
	return w->optional ? arena_printf(a, "[%s]", name) : name;
}

const char *usage_form(struct arena *a, const struct command *c)
{
	const char *form = arena_printf(a, "drover %s [OPTION]...", c->name);
	for (const struct word *w = c->words; w && w->name; w++)
		form = arena_printf(a, "%s %s", form, word_form(a, w));
	return form;
}
