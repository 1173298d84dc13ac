/* SPDX-License-Identifier: MIT */
/* Every kind of wrong file and wrong variable, and the words that a person gets for it. */
#include "config_case.h"

struct wrong {
	const char *yaml, *problem;
};

static void check_wrong(const struct wrong *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		CHECK_EQ_S(load(a, w[i].yaml, NULL, &c), w[i].problem);
	}
}

TEST(each_wrong_option_is_named_with_its_place)
{
	static const struct wrong wrong[] = {
		{ "worker:\n  slot: 5\n", "t.yaml:2:3: worker: unknown option 'slot'; did you mean worker.slots?" },
		{ "model:\n  api_key_fil: /x\n",
			"t.yaml:2:3: model: unknown option 'api_key_fil'; did you mean model.api_key_file?" },
		{ "worker:\n  slots_file: /x\n",
			"t.yaml:2:3: worker: unknown option 'slots_file'; did you mean worker.slots?" },
		{ "worker:\n  bananas: 5\n",
			"t.yaml:2:3: worker: unknown option 'bananas'; take it out, or see drover's list of options" },
		{ "\xEF\xBB\xBF" "databse:\n", "t.yaml:1:1: unknown section 'databse'; did you mean database?" },
		{ "databse:\n  pool: 4\n", "t.yaml:1:1: unknown section 'databse'; did you mean database?" },
		{ "worker.slots: 5\n", "t.yaml:1:1: worker.slots: write it as 'slots:', indented below 'worker:'" },
		{ "worker: 5\n",
			"t.yaml:1:9: worker: must hold options, each as 'name: value' on its own indented line" },
		{ "worker: [1]\n",
			"t.yaml:1:9: worker: must hold options, each as 'name: value' on its own indented line" },
		{ "worker:\n  slots: [5]\n", "t.yaml:2:10: worker.slots: must be one value, not a list" },
		{ "worker:\n  slots: {a: 5}\n", "t.yaml:2:10: worker.slots: must be one value, not a mapping" },
		{ "worker:\n  slots:\n", "t.yaml:2:9: worker.slots: has no value; give one, or take the line out" },
		{ "worker:\n  slots: ~\n", "t.yaml:2:10: worker.slots: has no value; give one, or take the line out" },
		{ "model:\n  name: null\n", "t.yaml:2:9: model.name: has no value; give one, or take the line out" },
		{ "model:\n  name: ''\n", "t.yaml:2:9: model.name: must be some text: it is empty" },
		{ "model:\n  name: \"a\\nb\"\n",
			"t.yaml:2:9: model.name: must be text in UTF-8 without line breaks and control characters" },
		{ "model:\n  version: 1234567890123456789012345678901234567890123456789012345678901234x\n",
			"t.yaml:2:12: model.version: must be at most 64 bytes long" },
		{ "database:\n  prepare: yes\n", "t.yaml:2:12: database.prepare: must be true or false" },
		{ "database:\n  prepare: True\n", "t.yaml:2:12: database.prepare: must be true or false" },
		{ "log:\n  level: wan\n",
			"t.yaml:2:10: log.level: must be debug, info, warn or error; did you mean warn?" },
		{ "log:\n  level: loud\n", "t.yaml:2:10: log.level: must be debug, info, warn or error" },
		{ "- a\n", "t.yaml:1:1: must hold sections with options, such as 'database:', not a list" },
		{ "hello\n", "t.yaml:1:1: must hold sections with options, such as 'database:', not text" },
	};
	check_wrong(wrong, COUNT(wrong));
}

TEST(each_wrong_number_is_told_its_form_and_range)
{
	static const struct wrong wrong[] = {
		{ "worker: {slots: 0}", "t.yaml:1:17: worker.slots: must be from 1..20000" },
		{ "worker: {slots: 20001}", "t.yaml:1:17: worker.slots: must be from 1..20000" },
		{ "worker: {slots: -1}", "t.yaml:1:17: worker.slots: must be from 1..20000" },
		{ "worker: {slots: many}", "t.yaml:1:17: worker.slots: must be a whole number, from 1..20000" },
		{ "worker: {slots: 1.5}", "t.yaml:1:17: worker.slots: must be a whole number, from 1..20000" },
		{ "worker: {slots: 1e3}", "t.yaml:1:17: worker.slots: must be a whole number, from 1..20000" },
		{ "worker: {slots: 99999999999999999999}",
			"t.yaml:1:17: worker.slots: must be a whole number, from 1..20000" },
		{ "worker: {lease: 15}", "t.yaml:1:17: worker.lease: must be a time with its unit, such as 250ms, 60s, "
			"5m or 2h, from 2s..10m" },
		{ "worker: {lease: 15 sec}", "t.yaml:1:17: worker.lease: must be a time with its unit, such as 250ms, "
			"60s, 5m or 2h, from 2s..10m" },
		{ "worker: {lease: s}", "t.yaml:1:17: worker.lease: must be a time with its unit, such as 250ms, 60s, "
			"5m or 2h, from 2s..10m" },
		{ "worker: {lease: 9223372036854775807h}", "t.yaml:1:17: worker.lease: must be a time with its unit, "
			"such as 250ms, 60s, 5m or 2h, from 2s..10m" },
		{ "worker: {lease: 1999ms}", "t.yaml:1:17: worker.lease: must be from 2s..10m" },
		{ "worker: {lease: 601s}", "t.yaml:1:17: worker.lease: must be from 2s..10m" },
		{ "worker: {lease: 0}", "t.yaml:1:17: worker.lease: must be from 2s..10m" },
		{ "worker: {poll: 2m}", "t.yaml:1:16: worker.poll: must be from 50ms..1m" },
		{ "log: {row_bytes: 1023}", "t.yaml:1:18: log.row_bytes: must be from 1KiB..256KiB" },
		{ "log: {row_bytes: 1 mb}", "t.yaml:1:18: log.row_bytes: must be a size, such as 512, 4KB, 4KiB or "
			"1MiB, from 1KiB..256KiB" },
		{ "model: {thinking_tokens: 1023}", "t.yaml:1:26: model.thinking_tokens: must be 0 or 1024..64000" },
	};
	check_wrong(wrong, COUNT(wrong));
}

TEST(each_wrong_url_is_told_its_schemes)
{
	static const struct wrong wrong[] = {
		{ "database:\n  url: localhost\n",
			"t.yaml:2:8: database.url: must be a URL without blanks: postgresql://... or postgres://..." },
		{ "database:\n  url: mysql://localhost/app\n",
			"t.yaml:2:8: database.url: must be a URL without blanks: postgresql://... or postgres://..." },
		{ "database:\n  url: postgres://\n",
			"t.yaml:2:8: database.url: must be a URL without blanks: postgresql://... or postgres://..." },
		{ "database:\n  url: postgres://a b/c\n",
			"t.yaml:2:8: database.url: must be a URL without blanks: postgresql://... or postgres://..." },
		{ "redis:\n  url: redis:/x\n", "t.yaml:2:8: redis.url: must be a URL without blanks: redis://..." },
		{ "model:\n  base_url: ''\n",
			"t.yaml:2:13: model.base_url: must be a URL without blanks: https://... or http://..." },
	};
	check_wrong(wrong, COUNT(wrong));
}

TEST(each_wrong_yaml_is_told_its_place)
{
	static const struct wrong wrong[] = {
		{ "worker:\n\tslots: 5\n", "t.yaml:2:1: a tab: YAML is indented with spaces only" },
		{ "worker:\n  poll: 1s\n \tslots: 5\n", "t.yaml:3:2: a tab: YAML is indented with spaces only" },
		{ "worker:\n  slots: 5\n  slots: 6\n", "t.yaml:3:3: this key stands at line 2 already: keep one" },
		{ "worker: {slots: 5}\nlog: {level: info}\nworker: {poll: 1s}\n",
			"t.yaml:3:1: this key stands at line 1 already: keep one" },
		{ "worker: &w\n  slots: 5\n", "t.yaml:1:9: anchors (&name) are not supported: write the value out "
			"where it is used" },
		{ "worker: &w [1]\n", "t.yaml:1:9: anchors (&name) are not supported: write the value out "
			"where it is used" },
		{ "worker:\n  slots: &n 5\n", "t.yaml:2:10: anchors (&name) are not supported: write the value "
			"out where it is used" },
		{ "worker:\n  slots: *n\n", "t.yaml:2:10: aliases (*name) are not supported: write the value out" },
		{ "worker:\n  slots: !!int 5\n", "t.yaml:2:10: tags (!name) are not supported: take it away" },
		{ "worker: !w\n  slots: 5\n", "t.yaml:1:9: tags (!name) are not supported: take it away" },
		{ "%TAG ! tag:x:\n---\nlog:\n", "t.yaml:1:1: tag directives (%TAG) are not supported: take it away" },
		{ "# a\r%TAG ! tag:x:\n---\nlog:\n",
			"t.yaml:1:5: tag directives (%TAG) are not supported: take it away" },
		{ "? [a]\n: 5\n", "t.yaml:1:3: a key must be text, not a list" },
		{ "? {a: b}\n: 5\n", "t.yaml:1:3: a key must be text, not a mapping" },
		{ "worker:\n---\nlog:\n", "t.yaml:2:1: a second document: one file holds one" },
		{ "model:\n  name: \"a\\0b\"\n", "t.yaml:2:9: a NUL character: no text may hold one" },
		{ "worker:\n  slots: 5\n poll: 1s\n",
			"t.yaml:3:2: not YAML: did not find expected key, while parsing a block mapping from line 1" },
		{ "worker: {slots: 5\n", "t.yaml:2:1: not YAML: did not find expected ',' or '}', while parsing a flow "
			"mapping from line 1" },
		{ "worker: \"x\n", "t.yaml:2:1: not YAML: found unexpected end of stream, while scanning a quoted "
			"scalar from line 1" },
		{ "worker:\n  slots: @5\n", "t.yaml:2:10: not YAML: found character that cannot start any token, while "
			"scanning for the next token from line 2" },
	};
	check_wrong(wrong, COUNT(wrong));
}

TEST(bytes_that_are_no_text_are_refused_with_their_place)
{
	static const struct {
		struct str yaml;
		const char *problem;
	} wrong[] = {
		{ { "worker:\n  slots: \xFF\n", 19 }, "t.yaml:2:10: not a text in UTF-8: invalid leading UTF-8 octet" },
		{ { "worker: \xC3", 9 }, "t.yaml:1:9: not a text in UTF-8: incomplete UTF-8 octet sequence" },
		{ { "a: \xC0\x80\n", 6 }, "t.yaml:1:4: not a text in UTF-8: invalid length of a UTF-8 sequence" },
		{ { "a: \xED\xA0\x80\n", 7 }, "t.yaml:1:4: not a text in UTF-8: invalid Unicode character" },
		{ { "a: \xF4\x90\x80\x80\n", 8 }, "t.yaml:1:4: not a text in UTF-8: invalid Unicode character" },
		{ { "a: \0\n", 5 }, "t.yaml:1:4: not a text in UTF-8: control characters are not allowed" },
		{ { "\xC3\xA9: \x01\n", 6 }, "t.yaml:1:4: not a text in UTF-8: control characters are not allowed" },
		{ { "\xFF\xFE" "a\0:\0", 6 }, "t.yaml:1:1: not a text in UTF-8: invalid leading UTF-8 octet" },
		{ { "\x7F" "ELF\x02\x01\x01\0\0\0\0", 11 },
			"t.yaml:1:1: not a text in UTF-8: control characters are not allowed" },
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		CHECK_EQ_S(load_str(a, wrong[i].yaml, NULL, &c), wrong[i].problem);
	}
}

TEST(all_problems_of_all_sources_are_listed_at_once)
{
	ARENA_SCOPE(a);
	struct config c = { 0 };
	const char *got = load(a, "worker:\n  slots: 0\n  lease: soon\nlogs: {}\nmodel:\n  max_tokens: 0\n",
		ENV("DROVER_QUEUE_BATCH=0", "DROVER_WORKER_SLOT=7", "PATH=/bin", "DROVER_LOG_LEVEL=inf"), &c);
	CHECK_EQ_S(got, "t.yaml:2:10: worker.slots: must be from 1..20000\n"
		"t.yaml:3:10: worker.lease: must be a time with its unit, such as 250ms, 60s, 5m or 2h, from 2s..10m\n"
		"t.yaml:4:1: unknown section 'logs'; did you mean log?\n"
		"t.yaml:6:15: model.max_tokens: must be from 1..128000\n"
		"environment DROVER_QUEUE_BATCH: must be from 1..1000\n"
		"environment DROVER_LOG_LEVEL: must be debug, info, warn or error; did you mean info?\n"
		"environment DROVER_WORKER_SLOT: unknown variable; did you mean DROVER_WORKER_SLOTS?");
}

TEST(a_failed_load_leaves_the_config_as_it_was)
{
	ARENA_SCOPE(a);
	struct config c = { .worker = { .slots = 77 } };
	CHECK(*load(a, "worker: {slots: 5}\nqueue: {batch: 0}", NULL, &c) != '\0');
	CHECK_EQ_I(c.worker.slots, 77);
}

TEST(no_problem_repeats_a_secret_wherever_it_was_put)
{
	static const char *const wrong_files[] = {
		"model: {api_key: '" SECRET " x'}", "model: {api_key: [" SECRET "]}",
		"model: {api_key: {" SECRET ": 1}}", "model: {api_key: {" SECRET "}}",
		"model: {api_key_file: " SECRET "}", "model: {api_key: " SECRET "", "model: " SECRET,
		"model: {" SECRET "}", "model:\n  " SECRET ": 1", SECRET ": 1", SECRET, "- " SECRET,
		"model: {max_tokens: " SECRET "}", "model: {key_header: " SECRET "}",
		"model: {name: \"" SECRET "\\n\"}", "model:\n  api_key:" SECRET,
		"model:\n  api_key = " SECRET, "model: {api_key: &" SECRET " a}",
		"model: {api_key: *" SECRET "}", "model: {api_key: !" SECRET " a}",
		"model:\n  api_key: @" SECRET, "database: {url: 'postgres//u:" SECRET "@h/d'}",
		"database: {url: 'postgres://u:" SECRET " @h/d'}", "redis: {url: 'redis:" SECRET "'}",
		"worker: {lease: " SECRET "}", "log: {level: " SECRET "}",
		"database: {prepare: " SECRET "}", "model: {" SECRET ": 1, " SECRET ": 2}",
		"\t" SECRET, "%TAG ! " SECRET "\n---\na: b", "model: {api_key: \"" SECRET "}",
		"model: {api_key_file: " SECRET "/" SECRET "}",
	};
	for (size_t i = 0; i < COUNT(wrong_files); i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		const char *problems = load(a, wrong_files[i], NULL, &c);
		if (!CHECK_FOR(wrong_files[i], *problems && !strstr(problems, SECRET_WORD)))
			printf("      %s\n", problems);
	}
}

TEST(no_problem_repeats_a_secret_of_the_environment)
{
	static const char *const variables[] = {
		"DROVER_MODEL_API_KEY=" SECRET "\n", "DROVER_MODEL_API_KEY=a " SECRET,
		"DROVER_MODEL_API_KEY=" SECRET "\xFF", "DROVER_MODEL_API_KEY_FILE=" SECRET,
		"ANTHROPIC_API_KEY=" SECRET " ", "DATABASE_URL=u:" SECRET "@h",
		"DROVER_DATABASE_URL=postgres:" SECRET,
		"DROVER_DATABASE_URL_FILE=postgres://u:" SECRET "@h/d", "DROVER_REDIS_URL=" SECRET,
		"DROVER_WORKER_SLOTS=" SECRET, "DROVER_LOG_LEVEL=" SECRET,
		"DROVER_WORKER_LEASE=" SECRET, "DROVER_LOG_ROW_BYTES=" SECRET,
		"DROVER_DATABASE_LISTEN=" SECRET, "DROVER_MODEL_BASE_URL=" SECRET,
		"DROVER_MODEL_KEY=" SECRET, "DROVER_MODEL_NAME=\n" SECRET,
	};
	for (size_t i = 0; i < COUNT(variables); i++) {
		ARENA_SCOPE(a);
		struct config c = { 0 };
		const char *problems = load(a, "", ENV(arena_text(a, str_of(variables[i]))), &c);
		if (!CHECK_FOR(variables[i], *problems && !strstr(problems, SECRET_WORD)))
			printf("      %s\n", problems);
	}
}
