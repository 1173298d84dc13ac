/* SPDX-License-Identifier: MIT */
/* The value of a flag, by its row in the table: checked, and written into the command's struct. */
#include "command_flags.h"
#include "options.h"

static bool fail_value(const struct flag *f, struct err *e, const char *must)
{
	return FAIL(e, ERR_INPUT, "usage", "--%s %s: must be %s", f->name, f->argument, must);
}

static void *place_of(const struct flag *f, void *options)
{
	return (char *)options + f->offset;
}

/* Numbers and times are read as options of the configuration are. */
static bool set_number(const struct flag *f, struct arena *a, const char *text, void *options, struct err *e)
{
	bool time = f->type == FLAG_DURATION;
	bool bare = time && *text && !text[strspn(text, "0123456789")];
	const char *value = bare ? arena_printf(a, "%ss", text) : text;
	struct config_option row = { .type = time ? OPTION_DURATION : OPTION_INTEGER, .offset = f->offset,
		.min = f->min, .max = f->max ? f->max : INT64_MAX };
	if (option_set(&row, a, str_of(value), options, e))
		return true;
	return err_prefix(e, "--%s %s: ", f->name, f->argument);
}

static bool is_uuid(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i = 0;
	for (; form[i] && text[i]; i++)
		if (form[i] == '-' ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
			return false;
	return form[i] == text[i];
}

static bool check_json(const struct flag *f, struct arena *a, const char *text, struct err *e)
{
	const cJSON *value = json_parse(a, str_of(text), e);
	if (!value)
		return err_prefix(e, "--%s %s: ", f->name, f->argument);
	return cJSON_IsObject(value) || fail_value(f, e, "a JSON object, such as {\"key\": 1}");
}

static bool check_choice(const struct flag *f, struct arena *a, const char *text, struct err *e)
{
	const char *all = "";
	for (const char *const *c = f->choices; *c; c++) {
		if (strcmp(*c, text) == 0)
			return true;
		all = arena_printf(a, "%s%s%s", all, c == f->choices ? "" : c[1] ? ", " : " or ", *c);
	}
	return fail_value(f, e, all);
}

static bool check_text(const struct flag *f, struct arena *a, const char *text, struct err *e)
{
	if (!utf8_valid(str_of(text)))
		return fail_value(f, e, "UTF-8");
	if (f->type == FLAG_UUID)
		return is_uuid(text) || fail_value(f, e, "a UUID, such as 123e4567-e89b-42d3-a456-426614174000");
	if (f->type == FLAG_JSON)
		return check_json(f, a, text, e);
	return f->type != FLAG_CHOICE || check_choice(f, a, text, e);
}

bool command_flag_set(const struct flag *f, struct arena *a, const char *text, void *options, struct err *e)
{
	if (f->type == FLAG_SWITCH)
		*(bool *)place_of(f, options) = true;
	else if (f->type == FLAG_NUMBER || f->type == FLAG_DURATION)
		return set_number(f, a, text, options, e);
	else if (check_text(f, a, text, e))
		*(const char **)place_of(f, options) = text;
	else
		return false;
	return true;
}

bool command_flags_preset(const struct flag *f, struct arena *a, void *options, struct err *e)
{
	for (; f && f->name; f++)
		if (f->preset && !command_flag_set(f, a, f->preset, options, e))
			return false;
	return true;
}
