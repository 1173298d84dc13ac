/* SPDX-License-Identifier: MIT */
/* The command line itself: help from the tables, mistakes, configuration, colours, the scripted model as a command. */
#include "shell.h"
#include <signal.h>

static const char *const names[] = { "worker", "dev", "migrate", "doctor", "status", "show", "tail", "enqueue",
	"cancel", "retry", "mock-model", "help" };

LOOP_TEST(help_names_every_command_and_every_exit_code)
{
	struct ran all = shell(a, NULL, "$D --help");
	CHECK_EQ_I(all.status, 0);
	for (size_t i = 0; i < COUNT(names); i++)
		test_check(strstr(all.out, arena_printf(a, "\n  %s ", names[i])) != NULL, __FILE__, __LINE__, names[i]);
	for (int code = 0; code <= 5; code++)
		CHECK_HAS(all.out, arena_printf(a, "\n  %d  ", code));
}

LOOP_TEST(each_command_has_help_with_its_options_and_the_same_by_two_ways)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		struct ran one = shell(a, NULL, arena_printf(a, "$D %s --help", names[i]));
		struct ran two = shell(a, NULL, arena_printf(a, "$D help %s", names[i]));
		CHECK_EQ_I(one.status, 0);
		CHECK_EQ_S(one.out, two.out);
		CHECK_HAS(one.out, arena_printf(a, "Usage: drover %s ", names[i]));
		CHECK_HAS(one.out, "--database-url URL");
		CHECK_HAS(one.out, "Exit codes:");
	}
}

LOOP_TEST(no_command_is_a_usage_error_with_help_on_stderr)
{
	struct ran r = shell(a, NULL, "$D");
	CHECK_EQ_I(r.status, 2);
	CHECK_EQ_S(r.out, "");
	CHECK_HAS(r.err, "Usage: drover");
}

LOOP_TEST(a_mistake_on_the_command_line_is_one_line_on_stderr_and_exit_2)
{
	static const struct {
		const char *command, *says;
	} wrong[] = {
		{ "$D statsu", "drover: unknown command statsu; did you mean status? (see drover --help)\n" },
		{ "$D status --jsno", "drover status: unknown option --jsno; did you mean --json? (see drover status --help)\n" },
		{ "$D status --json=1", "drover status: --json takes no value (see drover status --help)\n" },
		{ "$D status -x", "drover status: unknown option -x (see drover status --help)\n" },
		{ "$D status --watch=soon", NULL },
		{ "$D show", "drover show: ID is missing: Number of the request (see drover show --help)\n" },
		{ "$D show 1 2", "drover show: too many words: 2 (see drover show --help)\n" },
		{ "$D show 0", "drover show: ID must be the number of a request, not 0 (see drover show --help)\n" },
		{ "$D cancel 1 two", "drover cancel: ID must be the number of a request, not two (see drover cancel --help)\n" },
		{ "$D tail", "drover tail: give either the ID of a request or --session UUID (see drover tail --help)\n" },
		{ "$D tail 1 --session 8f14e45f-ceea-467f-a0e6-9d1f2c6a7b10", NULL },
		{ "$D tail --session 8f14e45f", NULL },
		{ "$D tail --session", NULL },
		{ "$D enqueue quotes", NULL },
		{ "$D enqueue quotes a --context '[1]'", NULL },
		{ "$D enqueue quotes a --context '{'", NULL },
		{ "$D enqueue quotes a --priority 1001", NULL },
		{ "$D enqueue quotes a --user me", NULL },
		{ "$D help statsu", NULL },
		{ "$D help --completion tcsh", NULL },
		{ "$D mock-model --port 65536", NULL },
		{ "$D status --database-url nonsense", NULL },
		{ "$D status --config /nowhere/drover.yaml", NULL },
		{ "$D status", "drover status: no database is named; set DATABASE_URL, give --database-url, or write "
			"database.url into the configuration\n" },
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct ran r = shell(a, NULL, wrong[i].command);
		test_check_i64(r.status, 2, __FILE__, __LINE__, wrong[i].command);
		test_check_i64((int64_t)count_lines(r.err), 1, __FILE__, __LINE__, wrong[i].command);
		CHECK_EQ_S(r.out, "");
		if (wrong[i].says)
			CHECK_EQ_S(r.err, wrong[i].says);
	}
}

LOOP_TEST(a_word_of_the_user_cannot_send_controls_to_the_terminal)
{
	struct ran r = shell(a, NULL, "$D \"$(printf '\\033]0;x\\007')\"");
	CHECK_EQ_I(r.status, 2);
	CHECK_LACKS(r.err, "\x1b");
	CHECK_HAS(r.err, "\\x1b]0;x\\x07");
}

LOOP_TEST(flags_may_stand_anywhere_and_two_hyphens_end_them)
{
	CHECK_HAS(shell(a, NULL, "$D --database-url nonsense status").err, "--database-url: must be");
	CHECK_HAS(shell(a, NULL, "$D status --database-url=nonsense").err, "--database-url: must be");
	CHECK_HAS(shell(a, NULL, "$D help -- --man").err, "unknown command --man");
}

LOOP_TEST(a_database_that_is_not_there_is_exit_4)
{
	static const char *const commands[] = { "status", "show 1", "tail 1", "cancel 1", "retry 1", "migrate",
		"enqueue quotes hello" };
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct ran r = shell(a, "postgresql://u:hush@127.0.0.1:1/db", arena_printf(a, "$D %s", commands[i]));
		test_check_i64(r.status, 4, __FILE__, __LINE__, commands[i]);
		CHECK_EQ_I(count_lines(r.err), 1);
		CHECK_LACKS(r.err, "hush");
	}
}

LOOP_TEST(the_configuration_s_mistakes_are_all_shown_and_exit_2)
{
	struct ran r = shell(a, NULL, "printf 'worker:\\n  slts: 3\\nlog:\\n  level: loud\\n' > c.yaml; "
		"$D status --config c.yaml; s=$?; rm c.yaml; exit $s");
	CHECK_EQ_I(r.status, 2);
	CHECK_EQ_S(r.err, "drover: c.yaml:2:3: worker: unknown option 'slts'; did you mean worker.slots?\n"
		"drover: c.yaml:4:10: log.level: must be debug, info, warn or error\n");
}

LOOP_TEST(the_configuration_comes_from_flag_then_variable_then_the_directory)
{
	struct ran r = shell(a, NULL, "for f in one two drover; do printf 'worker:\\n  slots: 7\\n' > $f.yaml; done; "
		"export DROVER_CONFIG=two.yaml; for c in '--config one.yaml' ''; do $D --config-print $c | grep slots; done; "
		"unset DROVER_CONFIG; $D --config-print | grep slots; rm -f one.yaml two.yaml drover.yaml");
	CHECK_HAS(r.out, "one.yaml:2:10");
	CHECK_HAS(r.out, "two.yaml:2:10");
	CHECK_HAS(r.out, "drover.yaml:2:10");
}

LOOP_TEST(the_sample_configuration_is_valid_and_config_print_hides_secrets)
{
	struct ran r = shell(a, "postgresql://u:hush@127.0.0.1/db",
		"$D --config-sample > s.yaml; DROVER_MODEL_API_KEY=hush2 $D --config s.yaml --config-print; s=$?; "
		"rm s.yaml; exit $s");
	CHECK_EQ_I(r.status, 0);
	CHECK_HAS(r.out, "worker.slots");
	CHECK_LACKS(r.out, "hush");
}

LOOP_TEST(the_man_page_and_the_completions_know_every_command)
{
	static const char *const forms[] = { "--man", "--completion bash", "--completion zsh", "--completion fish" };
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct ran r = shell(a, NULL, arena_printf(a, "$D help %s", forms[f]));
		CHECK_EQ_I(r.status, 0);
		CHECK_HAS(r.out, f ? "no-follow" : "no\\-follow");
		for (size_t i = 0; i < COUNT(names); i++)
			test_check(strstr(r.out, f || i != 10 ? names[i] : "mock\\-model") != NULL, __FILE__, __LINE__, names[i]);
	}
	CHECK_EQ_I(shell(a, NULL, "$D help --completion bash | bash -n").status, 0);
}

LOOP_TEST(bash_completes_commands_options_and_choices)
{
	struct ran r = shell(a, NULL, "$D help --completion bash > c.bash; bash -c '. ./c.bash; t() { COMP_WORDS=(\"$@\"); "
		"COMP_CWORD=$(($#-1)); _drover; echo \"${COMPREPLY[*]}\"; }; t drover st; t drover tail --no; t drover help ta'; "
		"rm c.bash");
	CHECK_EQ_S(r.out, "status\n--no-follow\ntail\n");
}

LOOP_TEST(what_could_not_be_written_was_not_done)
{
	struct ran r = shell(a, NULL, "$D --help > /dev/full");
	CHECK_EQ_I(r.status, 1);
}

LOOP_TEST(the_scripted_model_serves_until_it_is_told_to_stop)
{
	struct shell *s = shell_start(a, NULL, "exec $D mock-model --port 0 --json");
	REQUIRE(shell_prints(s, "MODEL_BASE_URL=http://127.0.0.1:"));
	shell_signal(s, SIGTERM);
	struct ran r = shell_end(s);
	CHECK_EQ_I(r.status, 0);
	CHECK_EQ_I(count_lines(r.out), 2);
	CHECK_HAS(r.out, "\"requests\":0");
}

LOOP_TEST(a_wrong_script_names_its_mistakes_and_exits_2)
{
	struct ran r = shell(a, NULL, "printf 'replies:\\n  - rply: x\\n' > m.yaml; $D mock-model --script m.yaml; s=$?; "
		"rm m.yaml; exit $s");
	CHECK_EQ_I(r.status, 2);
	CHECK_HAS(r.err, "drover mock-model: m.yaml:2:5: unknown key 'rply'; did you mean reply?\n");
}
