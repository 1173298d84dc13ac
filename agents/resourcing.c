/* SPDX-License-Identifier: MIT */
/* The resourcing agent: who is free, who fits, who is booked. The rules live in schema/psa/003_resourcing.sql. */
#include "agents_sql.h"
#include "prompts.h"
#include "psa.h"

#define FIELD_FROM(type) { "from", FIELD_DATE, offsetof(struct type, from), true, "First day." }
#define FIELD_TO(type) { "to", FIELD_DATE, offsetof(struct type, to), true, "Last day, included." }

struct search_args {
	const char *from, *to, *role, *skill;
	int64_t min_level, min_free_min;
};
static const struct field search_fields[] = {
	FIELD_FROM(search_args),
	FIELD_TO(search_args),
	{ "role", FIELD_TEXT, offsetof(struct search_args, role), .text = "Only people of this role.", .max = 100 },
	{ "skill", FIELD_TEXT, offsetof(struct search_args, skill), .text = "Only people with this skill.", .max = 100 },
	{ "min_level", FIELD_I64, offsetof(struct search_args, min_level), .text = "Least level of the skill.",
		.min = 0, .max = 100 },
	{ "min_free_min", FIELD_I64, offsetof(struct search_args, min_free_min), .text = "Least free minutes.",
		.min = 0, .max = 6000000 },
	{ 0 },
};

static bool search_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct search_args *in = args;
	return tool_rows(env, &sql_psa_resource_search, PG_ARGS(PG(env->workspace_id), PG(in->from), PG(in->to),
		PG(in->role), PG(in->skill), PG(in->min_level), PG(in->min_free_min)), "resources", result, e);
}

static const struct tool tool_resource_search = {
	.name = "resource_search",
	.text = "People with their capacity over some days: minutes booked hard and soft, minutes free, and the permille "
		"that is free on every working day. Days off and approved leave are taken off already. At most 50.",
	.fields = search_fields, .args_size = sizeof(struct search_args), .run = search_run,
};

struct conflict_args {
	const char *from, *to, *resource;
	bool include_soft;
};
static const struct field conflict_fields[] = {
	FIELD_FROM(conflict_args),
	FIELD_TO(conflict_args),
	{ "include_soft", FIELD_BOOL, offsetof(struct conflict_args, include_soft), .text = "Count soft bookings too." },
	{ "resource", FIELD_TEXT, offsetof(struct conflict_args, resource), .text = "Only this person.", .max = 200 },
	{ 0 },
};

static bool conflict_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct conflict_args *in = args;
	return tool_rows(env, &sql_psa_conflict_detect, PG_ARGS(PG(env->workspace_id), PG(in->from), PG(in->to),
		PG(in->include_soft), PG(in->resource)), "conflicts", result, e);
}

static const struct tool tool_conflict_detect = {
	.name = "conflict_detect",
	.text = "Where people are booked to more than 1000 permille or while on leave, with the bookings involved. At "
		"most 100.",
	.fields = conflict_fields, .args_size = sizeof(struct conflict_args), .run = conflict_run,
};

struct skill {
	const char *skill;
	int64_t min_level;
};
struct match_args {
	const char *role, *from, *to, *project;
	int64_t minutes;
	struct field_list skills;
};
static const struct field skill_fields[] = {
	{ "skill", FIELD_TEXT, offsetof(struct skill, skill), true, "Name of the skill.", 1, 100 },
	{ "min_level", FIELD_I64, offsetof(struct skill, min_level), .text = "Least level.", .min = 0, .max = 100 },
	{ 0 },
};
static const struct field match_fields[] = {
	{ "role", FIELD_TEXT, offsetof(struct match_args, role), true, "The role needed.", 1, 100 },
	FIELD_FROM(match_args),
	FIELD_TO(match_args),
	{ "minutes", FIELD_I64, offsetof(struct match_args, minutes), true, "Minutes of work needed.", 1, 6000000 },
	{ "skills", FIELD_OBJECTS, offsetof(struct match_args, skills), .text = "Skills needed.", .max = 10,
		.items = skill_fields, .item_size = sizeof(struct skill) },
	{ "project", FIELD_TEXT, offsetof(struct match_args, project), .text = "Project code: who works on it already "
		"gets points for that.", .max = 20 },
	{ 0 },
};

static const char *skills_json(struct arena *a, const struct field_list *skills)
{
	cJSON *list = json_array(a);
	const struct skill *skill = skills->items;
	for (size_t i = 0; i < skills->n; i++) {
		cJSON *o = json_add_object(list);
		json_put_text(o, "skill", skill[i].skill);
		json_put_i64(o, "min_level", skill[i].min_level);
	}
	return json_print(a, list);
}

static bool match_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct match_args *in = args;
	const char *skills = skills_json(env->arena, &in->skills);
	return tool_rows(env, &sql_psa_match_candidates, PG_ARGS(PG(env->workspace_id), PG(in->role), PG(in->from),
		PG(in->to), PG(in->minutes), PG(skills), PG(in->project)), "candidates", result, e);
}

static const struct tool tool_match_candidates = {
	.name = "match_candidates",
	.text = "Ranks the people of a role for a piece of work. fits: every skill is there and the minutes are free; else "
		"why_not. score = skill_points (level above the least, up to 400) + free_points (free share of capacity, up "
		"to 400) + project_points (200 for who was booked on the project). Equal scores go by name. At most 20.",
	.fields = match_fields, .args_size = sizeof(struct match_args), .run = match_run,
};

struct bookings_args {
	const char *from, *to, *project, *resource;
};
static const struct field bookings_fields[] = {
	FIELD_FROM(bookings_args),
	FIELD_TO(bookings_args),
	{ "project", FIELD_TEXT, offsetof(struct bookings_args, project), .text = "Only of this project code.", .max = 20 },
	{ "resource", FIELD_TEXT, offsetof(struct bookings_args, resource), .text = "Only of this person.", .max = 200 },
	{ 0 },
};

static bool bookings_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct bookings_args *in = args;
	return tool_rows(env, &sql_psa_booking_list, PG_ARGS(PG(env->workspace_id), PG(in->from), PG(in->to),
		PG(in->project), PG(in->resource)), "bookings", result, e);
}

const struct tool tool_booking_list = {
	.name = "booking_list",
	.text = "Bookings that touch some days: number, person, project, soft or hard, days, permille, minutes, version. "
		"At most 100.",
	.fields = bookings_fields, .args_size = sizeof(struct bookings_args), .run = bookings_run,
};

struct propose_args {
	const char *resource, *project, *from, *to, *task, *note;
	int64_t permille, minutes;
};
static const struct field propose_fields[] = {
	{ "resource", FIELD_TEXT, offsetof(struct propose_args, resource), true, "Name of the person.", 1, 200 },
	{ "project", FIELD_TEXT, offsetof(struct propose_args, project), true, "Project code.", 1, 20 },
	FIELD_FROM(propose_args),
	FIELD_TO(propose_args),
	{ "minutes", FIELD_I64, offsetof(struct propose_args, minutes), .text = "Minutes of work to reserve over these "
		"days; the permille follow from it. Give this or permille.", .min = 1, .max = 6000000 },
	{ "permille", FIELD_I64, offsetof(struct propose_args, permille), .text = "Share of the person's time on each day.",
		.min = 1, .max = 1000 },
	{ "task", FIELD_TEXT, offsetof(struct propose_args, task), .text = "Number or name of the task.", .max = 200 },
	{ "note", FIELD_TEXT, offsetof(struct propose_args, note), .text = "Why, in a few words.", .max = 500 },
	{ 0 },
};

static bool propose_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct propose_args *in = args;
	if ((in->permille == 0) == (in->minutes == 0))
		return FAIL(e, ERR_INPUT, "bad_arguments", "give minutes or permille, one of the two");
	return tool_row(env, &sql_psa_booking_propose, PG_ARGS(PG(env->workspace_id), PG(in->resource), PG(in->project),
		PG(in->from), PG(in->to), PG(in->permille), PG(in->minutes), PG(in->task), PG(in->note),
		PG(env->request_id)), "nothing was booked", result, e);
}

static const struct tool tool_booking_propose = {
	.name = "booking_propose",
	.text = "Books a person softly: a proposal that ends by itself after 14 days unless a person confirms it. Refused "
		"where hard bookings leave no room; overlaps_other_proposals warns of other soft ones.",
	.fields = propose_fields, .args_size = sizeof(struct propose_args), .effect = TOOL_WRITES, .run = propose_run,
};

struct release_args {
	int64_t booking, version;
};
static const struct field release_fields[] = {
	{ "booking", FIELD_I64, offsetof(struct release_args, booking), true, "Number of the booking.", 1 },
	{ "version", FIELD_I64, offsetof(struct release_args, version), true, "Its version as you read it.", 1, INT32_MAX },
	{ 0 },
};

static bool release_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct release_args *in = args;
	return tool_row(env, &sql_psa_booking_release, PG_ARGS(PG(env->workspace_id), PG(in->booking), PG(in->version)),
		"no soft booking has this number: a hard one is released by a person, booking_list shows them all", result, e);
}

static const struct tool tool_booking_release = {
	.name = "booking_release",
	.text = "Gives up a soft booking.",
	.fields = release_fields, .args_size = sizeof(struct release_args), .effect = TOOL_WRITES, .run = release_run,
};

static const struct tool *const tools[] = {
	&tool_booking_list, &tool_booking_propose, &tool_booking_release, &tool_conflict_detect, &tool_match_candidates,
	&tool_project_get, &tool_resource_search, &tool_task_list, NULL,
};

const struct agent agent_resourcing = {
	.type = "resourcing", .name = "resourcing",
	.text = "Staffs projects: finds who is free and fits, shows conflicts, books people softly.",
	.prompt = prompt_resourcing, .tools = tools, .run = agent_loop,
};
