/* SPDX-License-Identifier: MIT */
/* doctor: finds what would keep workers from working, all of it at once, and says how to mend it. */
#include "commands.h"
#include "doctor.h"

struct doctor_options {
	bool json;
};

static const struct flag flags[] = {
	{ 0, "json", NULL, FLAG_SWITCH, FLAG_AT(struct doctor_options, bool, json), "One JSON object" },
	{ 0 },
};

static const struct example examples[] = {
	{ "drover doctor", "Check what the environment and ./drover.yaml say." },
	{ "drover doctor --json | jq '.checks[] | select(.level != \"ok\")'", "Only what is not well." },
	{ 0 },
};

static const struct {
	bool needs_database;
	void (*check)(struct doctor *d);
} checks[] = {
	{ false, doctor_check_config },    { false, doctor_check_limits },    { false, doctor_check_connection },
	{ true, doctor_check_hosts },      { true, doctor_check_pooler },     { true, doctor_check_server },
	{ true, doctor_check_migrations }, { true, doctor_check_statements }, { true, doctor_check_listen },
	{ true, doctor_check_connections }, { false, doctor_check_catalog }, { false, doctor_check_delivery }, { false, doctor_check_key },
	{ false, doctor_check_model },
};

static const struct {
	const char *word;
	enum print_style style;
} levels[DOCTOR_LEVELS] = { { "ok", STYLE_GREEN }, { "warn", STYLE_YELLOW }, { "wrong", STYLE_RED } };

void doctor_say(struct doctor *d, enum doctor_level level, const char *what, const char *mend, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	struct doctor_line *line = arena_alloc(d->a, sizeof(*line));
	*line = (struct doctor_line){ level, what, arena_text(d->a, str_of(text)), mend, NULL };
	*d->end = line;
	d->end = &line->next;
	d->count[level]++;
}

static void print_line(const struct printer *p, const struct doctor_line *line)
{
	enum { LEVEL_WIDTH = 7, WHAT_WIDTH = 12 };
	print_styled(p, levels[line->level].style, "%-*s", LEVEL_WIDTH, levels[line->level].word);
	fprintf(p->to, "%-*s", WHAT_WIDTH, line->what);
	print_text(p, STYLE_PLAIN, str_of(line->text), -1);
	fputc('\n', p->to);
	if (line->mend)
		fprintf(p->to, "%*s-> %s\n", LEVEL_WIDTH + WHAT_WIDTH, "", line->mend);
}

static void print_lines(const struct doctor *d)
{
	for (const struct doctor_line *line = d->first; line; line = line->next)
		print_line(&d->run->out, line);
	printf("%zu wrong, %zu to look at\n", d->count[DOCTOR_WRONG], d->count[DOCTOR_WARN]);
}

static void print_lines_json(const struct doctor *d)
{
	cJSON *all = json_object(d->a), *list = json_put_array(all, "checks");
	for (const struct doctor_line *line = d->first; line; line = line->next) {
		cJSON *one = json_add_object(list);
		json_put_text(one, "level", levels[line->level].word);
		json_put_text(one, "what", line->what);
		json_put_text(one, "text", line->text);
		json_put_text(one, "mend", line->mend);
	}
	json_put_i64(all, "wrong", (int64_t)d->count[DOCTOR_WRONG]);
	json_put_i64(all, "warn", (int64_t)d->count[DOCTOR_WARN]);
	print_json(&d->run->out, all);
}

/* A wrong file should not hide what else is wrong: then the environment alone must do, or the defaults. */
static bool config_without_file(struct command_run *run, struct config *out, struct err *e)
{
	struct config_problems ignored;
	if (!config_load_text(run->arena, "none", STR(""), run->environment, out, &ignored) &&
		!config_load_text(run->arena, "none", STR(""), NULL, out, &ignored))
		return FAIL(e, ERR_BUG, "no_config", "the defaults of the configuration do not load");
	if (run->database_url)
		out->database.url = run->database_url;
	return true;
}

static bool doctor_run(struct command_run *run, struct err *e)
{
	const struct doctor_options *o = run->options;
	struct config fallback = { 0 };
	struct doctor d = { .run = run, .a = run->arena, .config = run->config, .config_is_wrong = !run->config };
	d.end = &d.first;
	if (!d.config && !config_without_file(run, &fallback, e))
		return false;
	if (!d.config)
		d.config = &fallback;
	for (size_t i = 0; i < COUNT(checks); i++)
		if (!checks[i].needs_database || d.db)
			checks[i].check(&d);
	(o->json ? print_lines_json : print_lines)(&d);
	run->exit = d.count[DOCTOR_WRONG] ? EXIT_UNWELL : EXIT_DONE;
	return true;
}

const struct command command_doctor = {
	.name = "doctor",
	.text = "Find what is wrong with configuration, database and model, and how to mend it",
	.more = "Checks everything at once: the configuration, the connection and its role, migrations, every "
		"statement, the catalog and its tools, waking by LISTEN, the model's address. Writes nothing, sends no key, shows no "
		"secret. Exit code 5 when something is wrong; a warning alone is no mistake.",
	.flags = flags,
	.options_size = sizeof(struct doctor_options),
	.examples = examples,
	.any_config = true,
	.run = doctor_run,
};
