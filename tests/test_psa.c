/* SPDX-License-Identifier: MIT */
/* Each tool of the project, resourcing and quotes agents against real data: what it gives, and what its errors say. */
#include "demo_sql.h"
#include "loop.h"
#include "psa.h"
#include "test_pg.h"

#define DEMO_USER "00000000-0000-4000-8000-0000000000d0"
#define STRANGER "00000000-0000-4000-8000-0000000000d1"
#define VIEWER "00000000-0000-4000-8000-0000000000d2"

enum { LONG_MS = 30000, REQUEST = 77 };

static const struct agent *const agents[] = { &agent_project, &agent_resourcing, &agent_quotes, NULL };

struct psa {
	struct arena *a;
	struct test_db db;
	struct pg *owner, *worker;
	const char *user, *workspace;
};

static bool psa_start(struct arena *a, struct psa *t, struct err *e)
{
	*t = (struct psa){ .a = a, .user = DEMO_USER };
	return test_db(a, &t->db, e) && (t->owner = test_connect(a, t->db.owner_url, e)) &&
		(t->worker = test_connect(a, t->db.worker_url, e)) &&
		pg_script(t->owner, a, seed_demo, deadline_in(LONG_MS), NULL, e) &&
		pg_script(t->owner, a, "insert into psa.members values ('00000000-0000-4000-8000-0000000000a0', '" VIEWER
			"', 'viewer')", deadline_in(LONG_MS), NULL, e);
}
#define START struct psa t; REQUIRE_OK(psa_start(a, &t, e))

static const struct tool *tool_find(const char *name)
{
	for (size_t i = 0; agents[i]; i++)
		for (size_t k = 0; agents[i]->tools[k]; k++)
			if (strcmp(agents[i]->tools[k]->name, name) == 0)
				return agents[i]->tools[k];
	return NULL;
}

static bool tool_call(struct psa *t, const struct tool *tool, const char *json, const cJSON **result, struct err *e)
{
	const cJSON *object = json_parse(t->a, str_of(json), e);
	void *args = arena_alloc(t->a, tool->args_size);
	struct tool_env env = { .arena = t->a, .db = t->worker, .deadline = deadline_in(LONG_MS), .request_id = REQUEST,
		.session_id = "s", .user_id = t->user, .workspace_id = t->workspace };
	const char *claims = arena_printf(t->a, "select set_config('request.jwt.claims', '%s', true)",
		t->user ? arena_printf(t->a, "{\"sub\":\"%s\"}", t->user) : "");
	if (!object || !field_read(t->a, tool->fields, object, args, e) ||
		!pg_begin(t->worker, t->a, NULL, 0, env.deadline, e))
		return false;
	if (pg_script(t->worker, t->a, claims, env.deadline, NULL, e) && tool->run(&env, args, result, e))
		return pg_commit(t->worker, t->a, NULL, 0, env.deadline, e);
	struct err ignored = { 0 };
	pg_rollback(t->worker, env.deadline, &ignored);
	return false;
}

/* What the model would read: the result as JSON, or "KIND: message". */
static const char *call(struct psa *t, const char *name, const char *json)
{
	const struct tool *tool = tool_find(name);
	const cJSON *result = NULL;
	struct err e = { 0 };
	if (!tool)
		return "no such tool";
	if (!tool_call(t, tool, json, &result, &e))
		return arena_printf(t->a, "%s: %s", err_kind_name(e.kind), e.msg);
	return json_print(t->a, result);
}

static bool says(const char *got, const char *part)
{
	bool ok = strstr(got, part);
	if (!ok)
		printf("      got:  %s\n      want: ...%s...\n", got, part);
	return ok;
}

/* The error must be one that goes back to the model, and must name the mend. */
static bool refuses(const char *got, const char *part)
{
	return says(got, part) && str_starts(str_of(got), err_kind_name(ERR_INPUT));
}
#define GIVES(tool, args, part) CHECK(says(call(&t, tool, args), part))
#define REFUSES(tool, args, part) CHECK(refuses(call(&t, tool, args), part))

#define KICKOFF "{\"project\":\"APOLLO\",\"tasks\":[" \
	"{\"name\":\"Kickoff workshop\",\"role\":\"Project Manager\",\"effort_min\":960,\"start\":\"2027-02-01\"," \
	"\"finish\":\"2027-02-02\"}," \
	"{\"name\":\"Interviews\",\"role\":\"Designer\",\"effort_min\":1440,\"start\":\"2027-02-03\"," \
	"\"finish\":\"2027-02-05\",\"after\":[\"Kickoff workshop\"]}]}"

/* ---- project ---- */

LOOP_TEST(project_search_finds_by_word_and_status)
{
	START;
	GIVES("project_search", "{\"words\":\"apollo\"}", "\"code\":\"APOLLO\"");
	GIVES("project_search", "{\"words\":\"apollo\"}", "48000.00 EUR");
	GIVES("project_search", "{\"words\":\"meridian\"}", "HERMES");
	GIVES("project_search", "{\"status\":\"completed\"}", "{\"projects\":[]}");
	GIVES("project_search", "{\"limit\":1,\"status\":\"active\"}", "HERMES");
	CHECK(!strstr(call(&t, "project_search", "{\"limit\":1,\"status\":\"active\"}"), "IRIS"));
	REFUSES("project_search", "{\"status\":\"done\"}", "status: must be one of: draft");
}

LOOP_TEST(project_get_gives_totals_by_role_and_names_what_there_is)
{
	START;
	GIVES("project_get", "{\"project\":\"hermes\"}", "\"effort_min\":40800");
	/* (2400 * 10000 + 14400 * 6000 + 19200 * 4500) / 40800 */
	GIVES("project_get", "{\"project\":\"HERMES\"}", "\"progress_bp\":4824");
	REFUSES("project_get", "{\"project\":\"ZEUS\"}", "no projects with code \"ZEUS\": known are APOLLO, HERMES, IRIS");
	call(&t, "task_create", KICKOFF);
	GIVES("project_get", "{\"project\":\"APOLLO\"}", "\"starts_too_early\":[]");
	call(&t, "task_update", "{\"project\":\"APOLLO\",\"task\":\"1\",\"version\":1,\"finish\":\"2027-02-04\"}");
	const char *said = call(&t, "project_get", "{\"project\":\"APOLLO\"}");
	CHECK(says(said, "\"task\": 2") || says(said, "\"task\":2"));
}

LOOP_TEST(task_create_adds_all_tasks_or_none)
{
	START;
	GIVES("task_create", KICKOFF, "\"number\":2,\"name\":\"Interviews\"");
	CHECK_SQL(t.owner, "select string_agg(source_request_id || ' ' || created_by, ',') from psa.tasks"
		" where source_request_id is not null", "77 " DEMO_USER ",77 " DEMO_USER);
	CHECK_SQL(t.owner, "select count(*) from psa.task_dependencies where source_request_id = 77", "1");
	REFUSES("task_create", KICKOFF, "has a task \"Kickoff workshop\" already, number 1");
	static const char one[] = "{\"project\":\"APOLLO\",\"tasks\":[{\"name\":\"X\",\"effort_min\":60,\"start\":\"%s\","
		"\"finish\":\"%s\",\"role\":\"%s\",\"after\":[\"%s\"]}]}";
	struct { const char *start, *finish, *role, *after, *part; } wrong[] = {
		{ "2027-01-29", "2027-02-01", "Designer", "1", "lies outside project APOLLO (2027-02-01 to 2027-06-30)" },
		{ "2027-02-10", "2027-02-09", "Designer", "1", "start_before_finish" },
		{ "2027-02-10", "2027-02-31", "Designer", "1", "tasks[0].finish: must be a day that exists" },
		{ "2027-02-10", "2027-02-10", "Wizard", "1", "no roles with name \"Wizard\": known are Backend Developer" },
		{ "2027-02-10", "2027-02-10", "Designer", "Nowhere",
			"no task \"Nowhere\" in this project: its tasks are 1 Kickoff" },
		{ "2027-02-10", "2027-02-10", "Designer", "X", "in a circle: \"X\" -> \"X\"" },
	};
	for (size_t i = 0; i < COUNT(wrong); i++)
		REFUSES("task_create", arena_printf(a, one, wrong[i].start, wrong[i].finish, wrong[i].role, wrong[i].after),
			wrong[i].part);
	CHECK_SQL(t.owner, "select count(*) from psa.tasks where name = 'X'", "0");
	test_ask(a, t.owner, "update psa.projects set status = 'completed' where code = 'APOLLO'");
	REFUSES("task_create", arena_printf(a, one, "2027-02-10", "2027-02-10", "Designer", "1"),
		"project APOLLO is completed");
}

LOOP_TEST(task_list_filters_and_shows_what_comes_before)
{
	START;
	GIVES("task_list", "{\"project\":\"HERMES\"}", "\"name\":\"Discovery workshops\"");
	CHECK(!strstr(call(&t, "task_list", "{\"project\":\"HERMES\",\"only\":\"unfinished\"}"), "Discovery"));
	CHECK(!strstr(call(&t, "task_list", "{\"project\":\"HERMES\",\"only\":\"milestones\"}"), "App shell"));
	GIVES("task_list", "{\"project\":\"HERMES\",\"only\":\"blocked\"}", "{\"tasks\":[]}");
	GIVES("task_list", "{\"project\":\"HERMES\",\"only\":\"milestones\"}", "\"after\":[4]");
	test_ask(a, t.owner, "alter table psa.tasks disable trigger user; update psa.tasks set"
		" planned_start = current_date - 9, planned_finish = current_date"
		" - case name when 'App shell' then 2 when 'Discovery workshops' then 5 else 0 end where kind = 'task'");
	const char *late = call(&t, "task_list", "{\"project\":\"HERMES\",\"only\":\"late\"}");
	CHECK(says(late, "App shell") && !strstr(late, "Discovery") && !strstr(late, "Account"));
	REFUSES("task_list", "{\"project\":\"HERMES\",\"only\":\"mine\"}", "only: must be one of");
}

LOOP_TEST(task_update_needs_the_version_last_read)
{
	START;
	call(&t, "task_create", KICKOFF);
	static const char f[] = "{\"project\":\"APOLLO\",\"task\":\"%s\",\"version\":%d,%s}";
	GIVES("task_update", arena_printf(a, f, "Interviews", 1, "\"status\":\"working\",\"progress_bp\":2500"),
		"\"version\":2");
	REFUSES("task_update", arena_printf(a, f, "2", 1, "\"progress_bp\":5000"),
		"version 1 was given, it is at version 2");
	REFUSES("task_update", arena_printf(a, f, "2", 2, "\"status\":\"completed\""),
		"\"Interviews\" cannot be completed before: 1 Kickoff workshop");
	GIVES("task_update", arena_printf(a, f, "1", 1, "\"status\":\"completed\""), "\"progress_bp\":10000");
	GIVES("task_update", arena_printf(a, f, "2", 2, "\"status\":\"completed\""), "\"version\":3");
	GIVES("task_update", arena_printf(a, f, "2", 3, "\"status\":\"open\""), "\"progress_bp\":0");
	CHECK_SQL(t.owner, "select actual_finish from psa.tasks where name = 'Interviews'", "(null)");
	REFUSES("task_update", arena_printf(a, f, "9", 1, "\"progress_bp\":5000"), "no task \"9\" in this project");
}

LOOP_TEST(milestone_set_makes_one_and_moves_it_only_when_it_was_read)
{
	START;
	static const char f[] = "{\"project\":\"APOLLO\",\"name\":\"%s\",\"day\":\"%s\"%s}";
	GIVES("milestone_set", arena_printf(a, f, "Kickoff done", "2027-02-12", ""), "\"version\":1");
	REFUSES("milestone_set", arena_printf(a, f, "Kickoff done", "2027-02-15", ""), "give that version");
	GIVES("milestone_set", arena_printf(a, f, "kickoff DONE", "2027-02-15", ",\"version\":1"),
		"\"day\":\"2027-02-15\"");
	REFUSES("milestone_set", arena_printf(a, f, "Late", "2027-07-01", ""), "lies outside project APOLLO");
	call(&t, "task_create", KICKOFF);
	REFUSES("milestone_set", arena_printf(a, f, "Interviews", "2027-02-15", ""), "a task of the project has that name");
	CHECK_SQL(t.owner, "select count(*) from psa.tasks where kind = 'milestone' and source_request_id = 77", "1");
}

/* ---- resourcing ---- */

LOOP_TEST(resource_search_takes_off_leave_holidays_and_bookings)
{
	START;
	static const char f[] = "{\"from\":\"%s\",\"to\":\"%s\"%s}";
	/* Two weeks of 5 * 480; booked hard 500 in the first. */
	GIVES("resource_search", arena_printf(a, f, "2027-02-01", "2027-02-12", ",\"role\":\"Designer\""),
		"{\"name\":\"Clara Novak\",\"role\":\"Designer\",\"capacity_min\":4800,\"hard_min\":1200,\"soft_min\":0,"
		"\"free_min\":3600,\"free_permille\":500");
	/* Anna: a week of leave. Hugo: Monday to Thursday. Easter Monday is off. */
	GIVES("resource_search", arena_printf(a, f, "2027-02-15", "2027-02-22", ",\"skill\":\"Workshop Facilitation\","
		"\"min_level\":80"), "\"capacity_min\":480,\"hard_min\":0");
	GIVES("resource_search", arena_printf(a, f, "2027-03-29", "2027-04-02", ",\"role\":\"QA Engineer\""),
		"\"capacity_min\":1440");
	/* Farid only asked for this week. */
	GIVES("resource_search", arena_printf(a, f, "2027-04-05", "2027-04-09", ",\"skill\":\"React\""),
		"{\"name\":\"Farid Haddad\",\"role\":\"Frontend Developer\",\"capacity_min\":2400");
	GIVES("resource_search", arena_printf(a, f, "2027-02-01", "2027-02-12", ",\"min_free_min\":4801"),
		"{\"resources\":[]}");
	REFUSES("resource_search", arena_printf(a, f, "2027-02-02", "2027-02-01", ""), "to (2027-02-01) lies before from");
	REFUSES("resource_search", arena_printf(a, f, "2027-02-02", "2030-02-01", ""), "longer than two years");
	REFUSES("resource_search", arena_printf(a, f, "2027-02-02", "2027-02-03", ",\"skill\":\"Juggling\""),
		"no skills with name \"Juggling\": known are Accessibility, Figma");
	REFUSES("resource_search", "{\"from\":\"2027-02-01\"}", "to: ");
}

LOOP_TEST(conflict_detect_finds_overload_and_leave)
{
	START;
	static const char f[] = "{\"from\":\"2027-01-01\",\"to\":\"2027-04-30\",\"include_soft\":%s%s}";
	const char *all = call(&t, "conflict_detect", arena_printf(a, f, "true", ""));
	CHECK(says(all, "{\"resource\":\"David Lind\",\"conflict\":\"overbooked\",\"from\":\"2027-02-08\","
		"\"to\":\"2027-02-19\",\"permille\":1200"));
	CHECK(says(all, "{\"resource\":\"Ben Okafor\",\"conflict\":\"on_leave\",\"from\":\"2027-03-01\","
		"\"to\":\"2027-03-05\",\"permille\":500"));
	CHECK(!strstr(call(&t, "conflict_detect", arena_printf(a, f, "false", "")), "David Lind"));
	GIVES("conflict_detect", arena_printf(a, f, "true", ",\"resource\":\"Anna Keller\""), "{\"conflicts\":[]}");
	REFUSES("conflict_detect", arena_printf(a, f, "true", ",\"resource\":\"Nobody\""), "known are Anna Keller");
}

LOOP_TEST(match_candidates_ranks_by_fixed_points_and_says_why_not)
{
	START;
	static const char f[] = "{\"role\":\"Designer\",\"from\":\"2027-02-03\",\"to\":\"2027-02-05\",\"minutes\":%d,"
		"\"skills\":[{\"skill\":\"Figma\",\"min_level\":%d}],\"project\":\"IRIS\"}";
	/* Clara: Figma 90 over 80 is half of what is above: 200; 720 of 1440 free: 200; booked on IRIS: 200. */
	const char *said = call(&t, "match_candidates", arena_printf(a, f, 700, 80));
	CHECK(says(said, "{\"candidates\":[{\"resource\":\"Clara Novak\",\"fits\":true,\"score\":600,\"skill_points\":200,"
		"\"free_points\":200,\"project_points\":200,\"free_min\":720,\"capacity_min\":1440,\"why_not\":\"\"}"));
	CHECK(says(said, "lacks Figma 75 of 80; only 288 of 700 minutes free"));
	GIVES("match_candidates", arena_printf(a, f, 288, 70), "\"resource\":\"David Lind\",\"fits\":true");
	GIVES("match_candidates", arena_printf(a, f, 721, 80), "only 720 of 721 minutes free");
	GIVES("match_candidates", arena_printf(a, f, 721, 80), "\"resource\":\"Clara Novak\",\"fits\":false");
	REFUSES("match_candidates", "{\"role\":\"Dancer\",\"from\":\"2027-02-03\",\"to\":\"2027-02-05\",\"minutes\":1}",
		"no roles with name \"Dancer\"");
	REFUSES("match_candidates", arena_printf(a, f, 0, 80), "minutes: must be 1 to");
}

LOOP_TEST(booking_propose_books_softly_and_never_over_hard_bookings)
{
	START;
	static const char f[] = "{\"resource\":\"%s\",\"project\":\"APOLLO\",\"from\":\"%s\",\"to\":\"%s\",%s}";
	call(&t, "task_create", KICKOFF);
	GIVES("booking_propose", arena_printf(a, f, "Anna Keller", "2027-02-01", "2027-02-02",
		"\"minutes\":700,\"task\":\"1\""),
		"\"kind\":\"soft\",\"permille\":730,\"minutes\":700,\"peak_permille\":730,\"overlaps_other_proposals\":false");
	CHECK_SQL(t.owner, "select kind || status || source_request_id || (expires_at > now() + interval '13 days')"
		" || (task_id is not null) from psa.bookings where source_request_id is not null", "softproposed77truetrue");
	GIVES("booking_propose", arena_printf(a, f, "David Lind", "2027-02-03", "2027-02-05", "\"permille\":1000"),
		"\"overlaps_other_proposals\":true");
	REFUSES("booking_propose", arena_printf(a, f, "David Lind", "2027-02-05", "2027-02-09", "\"permille\":700"),
		"David Lind is booked hard to 400 permille on 2027-02-08 (HERMES 400): 700 more would pass 1000. At most 600");
	REFUSES("booking_propose", arena_printf(a, f, "Anna Keller", "2027-02-15", "2027-02-19", "\"permille\":100"),
		"Anna Keller does not work on any day");
	REFUSES("booking_propose", arena_printf(a, f, "Anna Keller", "2027-02-22", "2027-02-22", "\"minutes\":481"),
		"481 minutes do not fit: there are 480 working minutes");
	REFUSES("booking_propose", arena_printf(a, f, "Anna Keller", "2027-02-22", "2027-02-22", "\"note\":\"x\""),
		"give minutes or permille");
	REFUSES("booking_propose", arena_printf(a, f, "Anna Keller", "2027-02-22", "2027-02-22", "\"permille\":1001"),
		"permille: must be 1 to 1000");
}

LOOP_TEST(booking_list_and_release_know_bookings_by_number)
{
	START;
	const char *list = "{\"from\":\"2027-02-01\",\"to\":\"2027-02-28\",\"project\":\"IRIS\"}";
	GIVES("booking_list", list, "\"resource\":\"David Lind\",\"project\":\"IRIS\"");
	CHECK(!strstr(call(&t, "booking_list", list), "HERMES"));
	const char *number = test_ask(a, t.owner, "select number from psa.bookings where kind = 'soft' and permille = 800");
	const char *hard = test_ask(a, t.owner, "select min(number) from psa.bookings where kind = 'hard'");
	static const char f[] = "{\"booking\":%s,\"version\":%d}";
	REFUSES("booking_release", arena_printf(a, f, number, 2), "version 2 was given, it is at version 1");
	REFUSES("booking_release", arena_printf(a, f, hard, 1), "a hard one is released by a person");
	GIVES("booking_release", arena_printf(a, f, number, 1), "\"status\":\"released\"");
	REFUSES("booking_release", arena_printf(a, f, number, 2), "no soft booking has this number");
	CHECK(!strstr(call(&t, "booking_list", list), "David Lind"));
	GIVES("resource_search", "{\"from\":\"2027-02-01\",\"to\":\"2027-02-05\",\"role\":\"Designer\"}",
		"\"free_min\":2400");
}

/* ---- quotes ---- */

LOOP_TEST(ratecard_lookup_gives_one_rate_or_not_covered)
{
	START;
	static const char f[] = "{\"role\":\"%s\",\"currency\":\"%s\",\"day\":\"%s\"}";
	GIVES("ratecard_lookup", arena_printf(a, f, "Designer", "EUR", "2027-06-30"), "\"rate\":\"110.00 EUR\"");
	GIVES("ratecard_lookup", arena_printf(a, f, "designer", "eur", "2027-07-01"), "\"rate\":\"115.00 EUR\"");
	GIVES("ratecard_lookup", arena_printf(a, f, "Designer", "EUR", "2026-12-31"), "\"rate\":\"105.00 EUR\"");
	const char *said = call(&t, "ratecard_lookup", arena_printf(a, f, "Content Strategist", "EUR", "2027-02-01"));
	CHECK(says(said, "\"not_covered\":true"));
	CHECK(says(said, "QA Engineer"));
	REFUSES("ratecard_lookup", arena_printf(a, f, "Designer", "USD", "2027-02-01"), "no price list in USD is valid on");
	REFUSES("ratecard_lookup", arena_printf(a, f, "Designer", "EUR", "2029-02-01"), "no price list in EUR is valid on");
	test_ask(a, t.owner, "insert into psa.price_lists (workspace_id, name, currency, valid)"
		" select id, 'Partners', 'EUR', '[2027-01-01,2028-01-01)' from psa.workspaces");
	REFUSES("ratecard_lookup", arena_printf(a, f, "Designer", "EUR", "2027-02-01"),
		"name one of Partners, Standard EUR 2027");
}

#define DRAFT "{\"title\":\"Apollo kickoff\",\"project\":\"APOLLO\"}"
#define LINES(version, lines) "{\"quote\":\"Q-0002\",\"version\":" version ",\"lines\":[" lines "]}"
#define TIME(position, role, quantity) "{\"position\":" position ",\"kind\":\"time\",\"role\":\"" role "\"," \
	"\"description\":\"Work\"," quantity "}"

LOOP_TEST(quote_create_draft_takes_what_was_not_said_from_the_project)
{
	START;
	const char *said = call(&t, "quote_create_draft", DRAFT);
	CHECK(says(said, "\"number\":\"Q-0002\""));
	CHECK(says(said, "\"customer\":\"Helios Travel GmbH\",\"project\":\"APOLLO\",\"status\":\"draft\","
		"\"price_list\":\"Standard EUR 2027\",\"price_date\":\"2027-02-01\",\"currency\":\"EUR\""));
	GIVES("quote_create_draft", "{\"title\":\"x\",\"customer\":\"Meridian Bank AG\",\"price_date\":\"2026-03-01\"}",
		"Standard EUR 2026");
	REFUSES("quote_create_draft", "{\"title\":\"x\"}", "give project or customer");
	REFUSES("quote_create_draft", "{\"title\":\"x\",\"project\":\"APOLLO\",\"currency\":\"USD\"}",
		"no price list in USD");
	REFUSES("quote_create_draft", "{\"title\":\"x\",\"project\":\"APOLLO\",\"valid_until\":\"2020-01-01\"}",
		"valid_until (2020-01-01) lies in the past");
	REFUSES("quote_create_draft", "{\"title\":\"x\",\"customer\":\"Nobody\"}",
		"known are Helios Travel GmbH, Meridian");
	CHECK_SQL(t.owner, "select string_agg(number || source_request_id, ' ' order by number) from psa.quotes"
		" where source_request_id is not null", "Q-000277 Q-000377");
}

LOOP_TEST(quote_line_put_prices_by_the_rate_card_and_adds_up)
{
	START;
	call(&t, "quote_create_draft", DRAFT);
	/* 16 h * 125.00 + 24 h * 110.00 = 4640.00; 19 % = 881.60 */
	const char *said = call(&t, "quote_line_put", LINES("1", TIME("1", "Project Manager", "\"minutes\":960") ","
		TIME("2", "Designer", "\"qty_milli\":24000")));
	CHECK(says(said, "\"net\":\"4640.00 EUR\",\"tax\":\"881.60 EUR\",\"gross\":\"5521.60 EUR\",\"version\":2"));
	CHECK(says(said, "125.00 EUR"));
	REFUSES("quote_line_put", LINES("1", TIME("3", "Designer", "\"minutes\":60")),
		"version 1 was given, it is at version 2");
	REFUSES("quote_line_put", LINES("2", TIME("3", "Content Strategist", "\"minutes\":60")),
		"not covered: price list \"Standard EUR 2027\" has no rate for role \"Content Strategist\"");
	REFUSES("quote_line_put", LINES("2", TIME("3", "Designer", "\"minutes\":50")), "give a multiple of 3");
	REFUSES("quote_line_put", LINES("2", TIME("3", "Designer", "\"minutes\":60,\"qty_milli\":1")), "one of the two");
	REFUSES("quote_line_put", LINES("2", TIME("3", "Designer", "\"unit_price_minor\":1")), "unit_price_minor: unknown");
	REFUSES("quote_line_put",
		LINES("2", TIME("3", "Designer", "\"minutes\":60") "," TIME("3", "Designer", "\"minutes\":60")),
		"lines[1].position: lines[0] has it already");
	REFUSES("quote_line_put", LINES("2", "{\"position\":3,\"kind\":\"time\",\"description\":\"x\",\"minutes\":60}"),
		"lines[0].role: a time line needs one");
	/* A line is replaced in place: a word costs nothing. */
	GIVES("quote_line_put", LINES("2", "{\"position\":2,\"kind\":\"note\",\"description\":\"Interviews by you\"}"),
		"\"net\":\"2000.00 EUR\",\"tax\":\"380.00 EUR\",\"gross\":\"2380.00 EUR\",\"version\":3");
	REFUSES("quote_line_put",
		"{\"quote\":\"Q-0001\",\"version\":5,\"lines\":[" TIME("1", "Designer", "\"minutes\":60") "]}",
		"quote Q-0001 is sent and cannot be changed");
}

LOOP_TEST(a_line_priced_by_a_person_is_not_replaced)
{
	START;
	call(&t, "quote_create_draft", DRAFT);
	call(&t, "quote_line_put", LINES("1", TIME("1", "Designer", "\"minutes\":60")));
	/* Without a reason even a person gets the rate card's price. */
	test_ask(a, t.owner, "update psa.quote_lines set unit_price_minor = 1"
		" where quote_id = (select id from psa.quotes where number = 'Q-0002')");
	GIVES("quote_get", "{\"quote\":\"Q-0002\"}", "\"net\":\"110.00 EUR\"");
	test_ask(a, t.owner, "update psa.quote_lines set unit_price_minor = 9900, price_reason = 'old friends'"
		" where quote_id = (select id from psa.quotes where number = 'Q-0002')");
	GIVES("quote_get", "{\"quote\":\"Q-0002\"}", "\"net\":\"99.00 EUR\"");
	REFUSES("quote_line_put", LINES("4", TIME("1", "QA Engineer", "\"minutes\":60")), "was priced by a person");
	/* More of the same keeps the person's price. */
	GIVES("quote_line_put", LINES("4", TIME("1", "Designer", "\"minutes\":120")), "\"net\":\"198.00 EUR\"");
}

LOOP_TEST(quote_get_and_search_show_expired_ones_as_such)
{
	START;
	GIVES("quote_get", "{\"quote\":\"q-0001\"}", "\"gross\":\"8425.20 EUR\"");
	REFUSES("quote_get", "{\"quote\":\"Q-0009\"}", "no quotes with number \"Q-0009\": known are Q-0001");
	GIVES("quote_search", "{\"words\":\"hermes\"}", "\"number\":\"Q-0001\"");
	GIVES("quote_search", "{\"status\":\"draft\"}", "{\"quotes\":[]}");
	call(&t, "quote_create_draft", DRAFT);
	call(&t, "quote_line_put", LINES("1", TIME("1", "Designer", "\"minutes\":60")));
	test_ask(a, t.owner, "update psa.quotes set valid_until = psa.today(workspace_id) - 1 where number = 'Q-0002';"
		" update psa.quotes set status = 'submitted' where number = 'Q-0002';"
		" update psa.quotes set status = 'approved' where number = 'Q-0002';"
		" update psa.quotes set status = 'sent' where number = 'Q-0002'");
	GIVES("quote_search", "{\"status\":\"expired\",\"words\":\"apollo\"}", "\"number\":\"Q-0002\"");
	CHECK(!strstr(call(&t, "quote_search", "{\"status\":\"sent\"}"), "Q-0002"));
}

/* ---- who asks ---- */

LOOP_TEST(tools_serve_only_members_and_write_only_for_those_who_may)
{
	START;
	t.user = NULL;
	REFUSES("project_search", "{}", "member of no workspace");
	t.user = STRANGER;
	REFUSES("project_get", "{\"project\":\"APOLLO\"}", "member of no workspace");
	REFUSES("task_create", KICKOFF, "member of no workspace");
	t.workspace = "00000000-0000-4000-8000-0000000000a0";
	REFUSES("project_get", "{\"project\":\"APOLLO\"}", "is no member of workspace");
	t.user = VIEWER;
	GIVES("project_get", "{\"project\":\"APOLLO\"}", "\"code\":\"APOLLO\"");
	REFUSES("task_create", KICKOFF, "viewer in the workspace: nothing can be written");
	REFUSES("quote_create_draft", DRAFT, "nothing can be written");
	t.user = DEMO_USER;
	test_ask(a, t.owner, "insert into psa.workspaces (id, name)"
		" values ('00000000-0000-4000-8000-0000000000b0', 'Other');"
		" insert into psa.members values ('00000000-0000-4000-8000-0000000000b0', '" DEMO_USER "', 'owner')");
	GIVES("project_get", "{\"project\":\"APOLLO\"}", "\"code\":\"APOLLO\"");
	t.workspace = NULL;
	REFUSES("project_get", "{\"project\":\"APOLLO\"}", "member of 2 workspaces: the request must name one");
	t.workspace = "00000000-0000-4000-8000-0000000000b0";
	REFUSES("project_get", "{\"project\":\"APOLLO\"}", "known are none");
}

LOOP_TEST(every_agent_has_a_prompt_and_tools_with_texts)
{
	for (size_t i = 0; agents[i]; i++) {
		size_t n = 0, writing = 0;
		CHECK(strlen(agents[i]->prompt) > 500 && agents[i]->text && agents[i]->run == agent_loop);
		for (; agents[i]->tools[n]; n++) {
			CHECK(agents[i]->tools[n]->text && field_schema(a, agents[i]->tools[n]->fields));
			writing += agents[i]->tools[n]->effect == TOOL_WRITES;
		}
		CHECK(n >= 4 && writing >= 2);
	}
}
