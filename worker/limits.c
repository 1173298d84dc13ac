/* SPDX-License-Identifier: MIT */
#include "limits.h"
#include "commands_sql.h"

/* Steps are bounded: under a default limit, which only workers know, what has no room is parked again meanwhile. */
enum { STEP = 1000, STEPS_MOST = 100 };

static const char *const scopes[] = { "all", "type", "workspace", "user", NULL };

#define SCOPE_TEXT "all, type, workspace or user"
#define KEY_TEXT "Name of the type, or UUID; '*' is each one that has no row of its own; none for all"
const struct word limits_words[] = {
	{ "SCOPE", SCOPE_TEXT, WORD_TEXT, .choices = scopes },
	{ "KEY", KEY_TEXT, WORD_TEXT, .optional = true },
	{ 0 },
};
const struct word limits_optional_words[] = {
	{ "SCOPE", SCOPE_TEXT, WORD_TEXT, .optional = true, .choices = scopes },
	{ "KEY", KEY_TEXT, WORD_TEXT, .optional = true },
	{ 0 },
};

static bool is_scope(const char *word)
{
	for (const char *const *s = scopes; *s; s++)
		if (strcmp(*s, word) == 0)
			return true;
	return false;
}

bool limits_place_of(struct command_run *run, struct limits_place *p, struct err *e)
{
	*p = (struct limits_place){ 0 };
	if (!run->n_words)
		return true;
	const char *scope = run->words[0], *key = run->n_words > 1 ? run->words[1] : NULL;
	bool all = strcmp(scope, "all") == 0;
	if (!is_scope(scope))
		return command_usage(run, e, "SCOPE must be %s, not %s", SCOPE_TEXT, scope);
	if (all && key)
		return command_usage(run, e, "scope all has no KEY");
	*p = (struct limits_place){ scope, all ? "" : key,
		all || !key ? scope : arena_printf(run->arena, "%s %s", scope, key) };
	return true;
}

bool limits_whole_place_of(struct command_run *run, struct limits_place *p, struct err *e)
{
	return limits_place_of(run, p, e) && (p->key || command_usage(run, e, "KEY is missing: which %s?", p->scope));
}

bool limits_make_room(struct pg *db, const struct limits_place *p, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_rows rows;
	for (int i = 0; i < STEPS_MOST; i++) {
		struct pg_args args = PG_ARGS(PG(p->scope), PG(p->key), PG(STEP));
		if (!pg_query(db, tmp, &sql_limit_room, args, command_deadline(), &rows, e))
			return err_prefix(e, "%s goes on, but not all that waits has been told (the workers will): ",
				p->text);
		if (pg_i64(&rows, 0, "n") < STEP)
			break;
	}
	return true;
}

void limits_tell(struct command_run *run, const struct limits_place *p, const char *done, const char *not_done,
	bool changed, bool json)
{
	ARENA_SCOPE(tmp);
	if (!changed)
		run->exit = EXIT_NO_MATCH;
	if (json) {
		cJSON *line = json_object(tmp);
		json_put_text(line, "scope", p->scope);
		json_put_text(line, "key", p->key);
		json_put_bool(line, "changed", changed);
		print_json(&run->out, line);
		return;
	}
	print_text(&run->out, STYLE_PLAIN, str_of(p->text), -1);
	print_styled(&run->out, changed ? STYLE_GREEN : STYLE_YELLOW, " %s", changed ? done : not_done);
	fputc('\n', run->out.to);
}
