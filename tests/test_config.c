/* SPDX-License-Identifier: MIT */
/* Options that are right: defaults, units, precedence, secrets, what is printed of them. */
#include "config_case.h"
#include "options.h"
#include <unistd.h>

static const char *from_of(const struct config *c, const char *path)
{
	return c->from ? c->from[option_find(path) - config_options] : NULL;
}

static void text_end(void *text)
{
	free(text);
}

static const char *printed_config(struct arena *a, const struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	config_print(f, c);
	fclose(f);
	arena_defer(a, text_end, text);
	return text;
}

static const char *printed(struct arena *a, void (*print)(FILE *))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	print(f);
	fclose(f);
	arena_defer(a, text_end, text);
	return text;
}

static void file_end(void *path)
{
	unlink(path);
}

static const char *temporary_file(struct arena *a, struct str content)
{
	char *path = arena_text(a, STR("/tmp/test_config.XXXXXX"));
	int fd = mkstemp(path);
	arena_defer(a, file_end, path);
	FILE *f = fdopen(fd, "w");
	CHECK(fwrite(content.p, 1, content.n, f) == content.n);
	fclose(f);
	return path;
}

TEST(every_default_passes_its_own_check_and_is_shown_as_written)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	CHECK_EQ_S(load(a, "", NULL, &c), "");
	REQUIRE(c.from);
	for (size_t i = 0; i < config_options_n; i++) {
		CHECK_EQ_S(option_get(&config_options[i], a, &c), config_options[i].preset);
		CHECK_EQ_S(c.from[i], "default");
	}
}

TEST(defaults_reach_their_members)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	CHECK_EQ_S(load(a, "", NULL, &c), "");
	CHECK_EQ_S(c.database.url, "");
	CHECK_EQ_I(c.database.pool, 4);
	CHECK_EQ_I(c.database.connect_timeout_ms, 5000);
	CHECK(c.database.prepare && c.database.listen);
	CHECK_EQ_I(c.worker.lease_ms, 15000);
	CHECK_EQ_I(c.queue.backoff_max_ms, 300000);
	CHECK_EQ_I(c.log.flush_bytes, 4096);
	CHECK_EQ_I(c.log.level, LOG_INFO);
	CHECK_EQ_I(c.model.key_header, KEY_HEADER_BEARER);
	CHECK_EQ_S(c.model.base_url, "https://api.anthropic.com");
	CHECK_EQ_I(c.model.answer_bytes, 1 << 20);
	CHECK_EQ_I(c.limits.run_time_ms, 900000);
	CHECK_EQ_I(c.fiber.stack, 262144);
	CHECK_EQ_S(c.redis.url, "");
}

/* Another valid value for each type, so that each row is seen to write its own member and no other. */
static const char *other_value(const struct config_option *o, struct arena *a, const struct config *c)
{
	switch (o->type) {
	case OPTION_BOOL:
		return *(const bool *)((const char *)c + o->offset) ? "false" : "true";
	case OPTION_CHOICE:
		return o->choices[0] == option_get(o, a, c) ? o->choices[1] : o->choices[0];
	case OPTION_URL:
		return arena_printf(a, "%s://other", o->choices[0]);
	case OPTION_TEXT:
		return "other";
	case OPTION_DURATION:
		return arena_printf(a, "%lldms", (long long)(o->max - 1));
	default:
		return arena_printf(a, "%lld", (long long)(o->max - 1));
	}
}

TEST(each_row_writes_its_own_member_and_no_other)
{
	for (size_t i = 0; i < config_options_n; i++) {
		ARENA_SCOPE(a);
		struct config before = { 0 }, after = { 0 };
		struct err err = { 0 }, *e = &err;
		REQUIRE(*load(a, "", NULL, &before) == '\0');
		after = before;
		const char *value = other_value(&config_options[i], a, &before);
		REQUIRE_OK(option_set(&config_options[i], a, str_of(value), &after, e));
		for (size_t j = 0; j < config_options_n; j++) {
			bool same = strcmp(option_get(&config_options[j], a, &before),
				option_get(&config_options[j], a, &after)) == 0;
			CHECK_FOR(config_options[j].path, same == (i != j));
		}
	}
}

TEST(each_choice_is_the_enum_of_its_name)
{
	static const struct {
		const char *yaml;
		enum log_level level;
		enum config_key_header header;
	} cases[] = {
		{ "log: {level: debug}", LOG_DEBUG, KEY_HEADER_BEARER },
		{ "log: {level: warn}", LOG_WARN, KEY_HEADER_BEARER },
		{ "log: {level: error}", LOG_ERROR, KEY_HEADER_BEARER },
		{ "model: {key_header: x-api-key}", LOG_INFO, KEY_HEADER_X_API_KEY },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		CHECK_EQ_S(load(a, cases[i].yaml, NULL, &c), "");
		CHECK_EQ_I(c.log.level, cases[i].level);
		CHECK_EQ_I(c.model.key_header, cases[i].header);
	}
}

TEST(units_are_counted_in_milliseconds_and_bytes)
{
	static const struct {
		const char *path, *value;
		int64_t number;
		const char *shown;
	} cases[] = {
		{ "worker.drain", "250ms", 250, "250ms" },
		{ "worker.drain", "60s", 60000, "1m" },
		{ "worker.drain", "1m", 60000, "1m" },
		{ "worker.drain", "90s", 90000, "90s" },
		{ "worker.drain", "1h", 3600000, "1h" },
		{ "worker.drain", "0", 0, "0" },
		{ "worker.drain", "0s", 0, "0" },
		{ "worker.drain", "5 m", 300000, "5m" },
		{ "log.row_bytes", "4KB", 4000, "4KB" },
		{ "log.row_bytes", "4KiB", 4096, "4KiB" },
		{ "log.row_bytes", "4097", 4097, "4097B" },
		{ "log.row_bytes", "4097B", 4097, "4097B" },
		{ "model.answer_bytes", "1MiB", 1048576, "1MiB" },
		{ "model.answer_bytes", "1MB", 1000000, "1MB" },
		{ "model.thinking_tokens", "0", 0, "0" },
		{ "model.thinking_tokens", "1024", 1024, "1024" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		struct err err = { 0 }, *e = &err;
		const struct config_option *o = option_find(cases[i].path);
		REQUIRE_OK(option_set(o, a, str_of(cases[i].value), &c, e));
		CHECK_EQ_I(option_number(o, &c), cases[i].number);
		CHECK_EQ_S(option_get(o, a, &c), cases[i].shown);
	}
}

TEST(the_bounds_themselves_are_allowed_and_what_is_shown_can_be_read)
{
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		if (o->type != OPTION_INTEGER && o->type != OPTION_DURATION && o->type != OPTION_SIZE)
			continue;
		ARENA_SCOPE(a);
		struct config c = { 0 };
		struct err err = { 0 }, *e = &err;
		const int64_t values[] = { o->min, o->max };
		for (size_t v = 0; v < COUNT(values); v++) {
			const char *unit = o->type == OPTION_DURATION ? "ms" : "";
			const char *text = arena_printf(a, "%lld%s", (long long)values[v], unit);
			REQUIRE_OK(option_set(o, a, str_of(text), &c, e));
			REQUIRE_OK(option_set(o, a, str_of(option_get(o, a, &c)), &c, e));
			CHECK_EQ_I(option_number(o, &c), values[v]);
		}
	}
}

TEST(environment_wins_over_file_and_file_over_default)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	char *const *environment = ENV("DROVER_WORKER_SLOTS=6", "DROVER_WORKER_POLL=2s");
	CHECK_EQ_S(load(a, "worker: {slots: 5, lease: 20s}", environment, &c), "");
	CHECK_EQ_I(c.worker.slots, 6);
	CHECK_EQ_S(from_of(&c, "worker.slots"), "environment DROVER_WORKER_SLOTS");
	CHECK_EQ_I(c.worker.lease_ms, 20000);
	CHECK_EQ_S(from_of(&c, "worker.lease"), "t.yaml:1:27");
	CHECK_EQ_I(c.worker.poll_ms, 2000);
	CHECK_EQ_I(c.worker.drain_ms, 30000);
	CHECK_EQ_S(from_of(&c, "worker.drain"), "default");
}

TEST(an_alias_wins_over_the_file_and_the_drover_form_over_the_alias)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	const char *yaml = "database: {url: 'postgres://file/a'}\nmodel: {api_key: of-file}";
	CHECK_EQ_S(load(a, yaml, ENV("DATABASE_URL=postgres://alias/a", "ANTHROPIC_API_KEY=of-alias"), &c), "");
	CHECK_EQ_S(c.database.url, "postgres://alias/a");
	CHECK_EQ_S(c.model.api_key, "of-alias");
	CHECK_EQ_S(from_of(&c, "model.api_key"), "environment ANTHROPIC_API_KEY");
	char *drover = "DROVER_DATABASE_URL=postgres://drover/a", *alias = "DATABASE_URL=postgres://alias/a";
	CHECK_EQ_S(load(a, yaml, ENV(drover, alias), &c), "");
	CHECK_EQ_S(c.database.url, "postgres://drover/a");
	CHECK_EQ_S(load(a, yaml, ENV(alias, drover), &c), "");
	CHECK_EQ_S(c.database.url, "postgres://drover/a");
	CHECK_EQ_S(c.model.api_key, "of-file");
}

TEST(no_two_names_share_a_variable)
{
	ARENA_SCOPE(a);
	struct option_names names;
	option_names(a, &names);
	CHECK(names.n > config_options_n);
	for (size_t i = 0; i < names.n; i++)
		for (size_t j = i + 1; j < names.n; j++)
			CHECK_FOR(names.paths[j], strcmp(names.variables[i], names.variables[j]) != 0);
}

/* Spelled here by hand and not by the code that is tested. */
static char *variable_of(struct arena *a, const char *path)
{
	char *variable = arena_printf(a, "DROVER_%s", path);
	for (char *p = variable; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		else if (*p == '.')
			*p = '_';
	return variable;
}

TEST(every_option_can_be_set_by_its_variable)
{
	/* Leaves room for each option's other value beside the options that it must agree with. */
	static const char wide[] = "model: {max_tokens: 128000}\nlog: {row_bytes: 256KiB, flush_bytes: 256}\n"
		"queue: {backoff_base: 100ms, backoff_max: 24h}";
	for (size_t i = 0; i < config_options_n; i++) {
		ARENA_SCOPE(a);
		struct config before = { 0 }, after = { 0 };
		const struct config_option *o = &config_options[i];
		REQUIRE(*load(a, wide, NULL, &before) == '\0');
		const char *variable = variable_of(a, o->path), *value = other_value(o, a, &before);
		CHECK_EQ_S(load(a, wide, ENV(arena_printf(a, "%s=%s", variable, value)), &after), "");
		CHECK_EQ_S(from_of(&after, o->path), arena_printf(a, "environment %s", variable));
		CHECK_FOR(o->path, strcmp(option_get(o, a, &before), option_get(o, a, &after)) != 0);
	}
}

TEST(an_empty_variable_counts_as_not_set)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	CHECK_EQ_S(load(a, "worker: {slots: 5}", ENV("DROVER_WORKER_SLOTS=", "DROVER_DATABASE_URL=", "DROVER_CONFIG=",
		"DATABASE_URL=postgres://alias/a", "DROVER_X="), &c), "");
	CHECK_EQ_I(c.worker.slots, 5);
	CHECK_EQ_S(c.database.url, "postgres://alias/a");
}

TEST(unknown_variables_of_drover_are_problems_and_others_are_not)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	CHECK_EQ_S(load(a, "", ENV("DROVERX=1", "HOME=/root", "DROVER", "=x", ""), &c), "");
	CHECK_EQ_S(load(a, "", ENV("DROVER_MODEL_APIKEY=x"), &c),
		"environment DROVER_MODEL_APIKEY: unknown variable; did you mean DROVER_MODEL_API_KEY?");
	CHECK_EQ_S(load(a, "", ENV("DROVER_=x"), &c),
		"environment DROVER_: unknown variable; take it out, or see drover's list of options");
	CHECK_EQ_S(load(a, "", ENV("DROVER_\x1b[31m=x"), &c),
		"environment DROVER_(not shown): unknown variable; take it out, or see drover's list of options");
}

TEST(options_that_contradict_each_other_are_a_problem)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	CHECK_EQ_S(load(a, "queue:\n  backoff_max: 1s\n", NULL, &c),
		"t.yaml:2:16: queue.backoff_base (2s) must be at most queue.backoff_max (1s)");
	CHECK_EQ_S(load(a, "model:\n  thinking_tokens: 8192\n", NULL, &c),
		"t.yaml:2:20: model.thinking_tokens (8192) must be below model.max_tokens (8192)");
	CHECK_EQ_S(load(a, "log:\n  flush_bytes: 2KiB\n", ENV("DROVER_LOG_ROW_BYTES=1KiB"), &c),
		"environment DROVER_LOG_ROW_BYTES: log.flush_bytes (2KiB) must be at most log.row_bytes (1KiB)");
	CHECK_EQ_S(load(a, "queue: {backoff_base: 5m}\n", NULL, &c), "");
	CHECK_EQ_S(load(a, "model: {thinking_tokens: 9000, max_tokens: 0}\n", NULL, &c),
		"t.yaml:1:44: model.max_tokens: must be from 1..128000");
}

TEST(a_secret_may_be_read_from_a_file)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	const char *key = temporary_file(a, STR("  sk-from-file\r\n\n"));
	CHECK_EQ_S(load(a, arena_printf(a, "model: {api_key_file: '%s'}", key), NULL, &c), "");
	CHECK_EQ_S(c.model.api_key, "sk-from-file");
	CHECK_EQ_S(load(a, "model: {api_key: other}", ENV(arena_printf(a, "DROVER_MODEL_API_KEY_FILE=%s", key),
		"ANTHROPIC_API_KEY=alias"), &c), "");
	CHECK_EQ_S(c.model.api_key, "sk-from-file");
	CHECK_EQ_S(from_of(&c, "model.api_key"), "environment DROVER_MODEL_API_KEY_FILE");

	const char *url = temporary_file(a, STR("postgres://u:p@h/d\n"));
	CHECK_EQ_S(load(a, "", ENV(arena_printf(a, "DROVER_DATABASE_URL_FILE=%s", url)), &c), "");
	CHECK_EQ_S(c.database.url, "postgres://u:p@h/d");
}

TEST(a_secret_given_twice_or_in_a_wrong_file_is_a_problem)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	CHECK_EQ_S(load(a, "model:\n  api_key: a\n  api_key_file: /dev/null\n", NULL, &c),
		"t.yaml:3:17: model.api_key_file: given already by t.yaml:2:12; keep one of them");
	CHECK_EQ_S(load(a, "", ENV("DROVER_MODEL_API_KEY_FILE=/dev/null", "DROVER_MODEL_API_KEY=a"), &c),
		"environment DROVER_MODEL_API_KEY_FILE: given already by environment DROVER_MODEL_API_KEY; "
		"keep one of them");
	CHECK_EQ_S(load(a, "model:\n  api_key_file: /dev/null\n", NULL, &c),
		"t.yaml:2:17: model.api_key_file: the file is empty; write the secret into it");
	CHECK_EQ_S(load(a, "model:\n  api_key_file: /nowhere/key\n", NULL, &c),
		"t.yaml:2:17: model.api_key_file: the file cannot be opened: No such file or directory");
	CHECK_EQ_S(load(a, "model:\n  api_key_file: /tmp\n", NULL, &c),
		"t.yaml:2:17: model.api_key_file: the file cannot be read: Is a directory");
	CHECK_EQ_S(load(a, "model:\n  api_key_file: /dev/zero\n", NULL, &c),
		"t.yaml:2:17: model.api_key_file: the file is larger than 16384 bytes");
	const char *two = temporary_file(a, STR("sk-1\nsk-2\n"));
	CHECK_EQ_S(load(a, arena_printf(a, "model:\n  api_key_file: %s\n", two), NULL, &c),
		"t.yaml:2:17: model.api_key_file: must be one word, the secret alone: "
		"it has blanks or line breaks in it");
}

TEST(print_shows_values_and_origins_but_no_secret)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	const char *file = temporary_file(a, STR("redis://:" SECRET "@r:6379/0"));
	CHECK_EQ_S(load(a, "model: {api_key: " SECRET ", base_url: 'https://u:" SECRET "@gate/x?key=" SECRET "'}",
		ENV("DATABASE_URL=postgres://app:" SECRET "@db:5432/app?password=" SECRET,
		arena_printf(a, "DROVER_REDIS_URL_FILE=%s", file)), &c), "");
	const char *text = printed_config(a, &c);
	CHECK(!strstr(text, SECRET_WORD));
	CHECK(strstr(text, "postgres://app:***@db:5432/app?***"));
	CHECK(strstr(text, "https://u:***@gate/x?***"));
	CHECK(strstr(text, "redis://:***@r:6379/0"));
	CHECK(strstr(text, "model.api_key              ***                              t.yaml:1:18\n"));
	CHECK(strstr(text, "worker.slots               1000                             default\n"));
	CHECK(strstr(text, "environment DATABASE_URL\n"));
	for (size_t i = 0; i < config_options_n; i++)
		CHECK_FOR(config_options[i].path, strstr(text, config_options[i].path) != NULL);
	CHECK_EQ_S(load(a, "", NULL, &c), "");
	CHECK(!strstr(printed_config(a, &c), "***"));
}

TEST(a_redacted_url_hides_rather_too_much_than_too_little)
{
	static const char *const cases[][2] = {
		{ "postgres://app:pw@db/app", "postgres://app:***@db/app" },
		{ "postgres://app:p@w@db/app", "postgres://app:***@db/app" },
		{ "postgres://app:p/w@db/app", "postgres://app:***@db/app" },
		{ "postgres://app:p?w#@db/app", "postgres://app:***@db/app" },
		{ "postgres://app:pw@db/app?sslpassword=pw", "postgres://app:***@db/app?***" },
		{ "https://token@gate/", "https://***@gate/" },
		{ "postgres://app:pw/app", "postgres://***" },
		{ "postgres://app:5432pw", "postgres://***" },
		{ "postgres://db:5432/app", "postgres://db:5432/app" },
		{ "postgres:///app?host=/run/pg", "postgres:///app?***" },
		{ "postgres://[::1]/app", "postgres://[::1]/app" },
		{ "redis://:pw@r:6379/0", "redis://:***@r:6379/0" },
		{ "pw", "***" },
		{ "", "" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_SCOPE(a);
		CHECK_EQ_S(config_redact_url(a, cases[i][0]), cases[i][1]);
	}
}

TEST(the_sample_loads_and_says_every_default)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	const char *sample = printed(a, config_sample);
	CHECK_EQ_S(load(a, sample, NULL, &c), "");
	REQUIRE(c.from);
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		CHECK_EQ_S(option_get(o, a, &c), o->preset);
		CHECK_FOR(o->path, (strncmp(c.from[i], "t.yaml:", 7) == 0) == (*o->preset != '\0'));
		CHECK_FOR(o->path, strstr(sample, o->text) != NULL);
	}
}

TEST(the_sample_loads_with_its_examples_too)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	struct buf *b = buf_new(a, 1 << 20);
	struct str rest = str_of(printed(a, config_sample)), line;
	while (str_next(&rest, '\n', &line)) {
		static const char *const examples[] = { "url", "listen_url", "api_key", "fallback", "dir", "hosts", "secrets_dir", "header" };
		bool example = false;
		for (size_t i = 0; i < COUNT(examples); i++)
			example = example || str_starts(line, arena_printf(a, "  # %s: ", examples[i]));
		size_t mark = example ? strlen("  # ") : 0;
		buf_printf(b, "%s%.*s\n", example ? "  " : "", (int)(line.n - mark), line.p + mark);
	}
	CHECK_EQ_S(load(a, b->p, NULL, &c), "");
	REQUIRE(c.from);
	for (size_t i = 0; i < config_options_n; i++)
		CHECK_FOR(config_options[i].path, strncmp(c.from[i], "t.yaml:", 7) == 0);
}

TEST(the_help_names_every_option_and_variable)
{
	ARENA_SCOPE(a);
	struct option_names names;
	option_names(a, &names);
	const char *help = printed(a, config_help);
	for (size_t i = 0; i < names.n; i++) {
		CHECK_FOR(names.paths[i], strstr(help, names.paths[i]) != NULL);
		CHECK_FOR(names.variables[i], strstr(help, names.variables[i]) != NULL);
	}
	CHECK(strstr(help, "ANTHROPIC_API_KEY") && strstr(help, "DROVER_DATABASE_URL, DATABASE_URL"));
}

TEST(every_option_stands_in_a_known_section)
{
	size_t in_sections = 0;
	for (size_t s = 0; s < config_sections_n; s++)
		for (size_t i = 0; i < config_options_n; i++) {
			struct str path = str_of(config_options[i].path), section;
			in_sections += str_next(&path, '.', &section) && str_is(section, config_sections[s].name);
		}
	CHECK_EQ_I((int64_t)in_sections, (int64_t)config_options_n);
	for (size_t i = 0; i < config_orders_n; i++)
		CHECK(option_find(config_orders[i].lower) && option_find(config_orders[i].upper));
}

TEST(harmless_forms_of_a_file_load)
{
	static const char *const files[] = {
		"worker:\r\n  slots: 5\r\n", "\xEF\xBB\xBFworker:\n  slots: 5\n", "---\nworker: {slots: 5}\n...\n",
		"# only\nworker:\n  # a comment\n  slots: \"5\"\nlog:\n  # level: info\n", "worker: {\"slots\": '5'}",
		"%YAML 1.1\n---\nworker:\n    slots:   5   # 100%TAG\n", "worker:\r  slots: 5\r",
	};
	for (size_t i = 0; i < COUNT(files); i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		CHECK_EQ_S(load(a, files[i], NULL, &c), "");
		CHECK_EQ_I(c.worker.slots, 5);
	}
}

TEST(an_empty_file_is_a_file_without_changes)
{
	static const char *const files[] = { "", "\n\n", "# nothing\n", "---\n", "\xEF\xBB\xBF", "~", "{}" };
	for (size_t i = 0; i < COUNT(files); i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		CHECK_EQ_S(load(a, files[i], NULL, &c), "");
		CHECK_EQ_I(c.worker.slots, 1000);
	}
	ARENA_SCOPE(a);
	struct config c = { 0 };
	CHECK_EQ_S(load_str(a, (struct str){ NULL, 0 }, NULL, &c), "");
}

TEST(the_file_is_read_from_the_path_or_from_drover_config)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	struct config_problems problems;
	const char *five = temporary_file(a, STR("worker: {slots: 5}"));
	const char *six = temporary_file(a, STR("worker: {slots: 6}"));
	char *variable = arena_printf(a, "DROVER_CONFIG=%s", six);
	CHECK(config_load(a, five, NULL, &c, &problems));
	CHECK_EQ_I(c.worker.slots, 5);
	CHECK_EQ_S(from_of(&c, "worker.slots"), arena_printf(a, "%s:1:17", five));
	CHECK(config_load(a, NULL, ENV(variable), &c, &problems));
	CHECK_EQ_I(c.worker.slots, 6);
	CHECK(config_load(a, five, ENV(variable), &c, &problems));
	CHECK_EQ_I(c.worker.slots, 5);
	CHECK(config_load(a, NULL, NULL, &c, &problems));
	CHECK_EQ_I(c.worker.slots, 1000);
}

TEST(a_file_that_cannot_be_read_is_a_problem_beside_the_others)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	struct config_problems problems;
	CHECK(!config_load(a, "/nowhere/drover.yaml", ENV("DROVER_WORKER_SLOTS=0"), &c, &problems));
	CHECK_EQ_S(lines_of(a, &problems), "/nowhere/drover.yaml: cannot be opened: No such file or directory\n"
		"environment DROVER_WORKER_SLOTS: must be from 1..20000");
	CHECK(!config_load(a, "/tmp", NULL, &c, &problems));
	CHECK_EQ_S(lines_of(a, &problems), "/tmp: cannot be read: Is a directory");
	CHECK(!config_load(a, "/dev/zero", NULL, &c, &problems));
	CHECK_EQ_S(lines_of(a, &problems), "/dev/zero: is larger than 1048576 bytes");
}
