/* SPDX-License-Identifier: MIT */
/* The project agent: projects, tasks and milestones. The rules of the data live in schema/psa/002_project.sql. */
#include "agents_sql.h"
#include "prompts.h"
#include "psa.h"

struct search_args {
	const char *words, *status;
	int64_t limit;
};
static const char *const project_states[] = { "draft", "active", "on_hold", "completed", "cancelled", NULL };
static const struct field search_fields[] = {
	{ "words", FIELD_TEXT, offsetof(struct search_args, words), .text = "Part of code, name or customer.", .max = 100 },
	{ "status", FIELD_TEXT, offsetof(struct search_args, status), .text = "Only this status.",
		.choices = project_states },
	{ "limit", FIELD_I64, offsetof(struct search_args, limit), .text = "At most so many; 50 if left out.",
		.min = 1, .max = 100 },
	{ 0 },
};

static bool search_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct search_args *in = args;
	return tool_rows(env, &sql_psa_project_search, PG_ARGS(PG(env->workspace_id), PG(in->words), PG(in->status),
		PG(in->limit)), "projects", result, e);
}

static const struct tool tool_project_search = {
	.name = "project_search",
	.text = "Finds projects by a word. Gives code, name, customer, status, dates, budget.",
	.fields = search_fields, .args_size = sizeof(struct search_args), .run = search_run,
};

struct get_args {
	const char *project;
};
static const struct field get_fields[] = {
	{ "project", FIELD_TEXT, offsetof(struct get_args, project), true, "Project code.", 1, 20 },
	{ 0 },
};

static bool get_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct get_args *in = args;
	return tool_row(env, &sql_psa_project_get, PG_ARGS(PG(env->workspace_id), PG(in->project)),
		"no such project", result, e);
}

const struct tool tool_project_get = {
	.name = "project_get",
	.text = "One project: dates, budget, effort and progress in total, effort by role with its dates, and which tasks "
		"start before what they wait for has ended. Effort is in minutes, progress in basis points (10000 = done).",
	.fields = get_fields, .args_size = sizeof(struct get_args), .run = get_run,
};

struct list_args {
	const char *project, *only;
};
static const char *const task_filters[] = { "unfinished", "late", "blocked", "milestones", NULL };
static const struct field list_fields[] = {
	{ "project", FIELD_TEXT, offsetof(struct list_args, project), true, "Project code.", 1, 20 },
	{ "only", FIELD_TEXT, offsetof(struct list_args, only), .text = "Only these; all if left out.",
		.choices = task_filters },
	{ 0 },
};

static bool list_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct list_args *in = args;
	return tool_rows(env, &sql_psa_task_list, PG_ARGS(PG(env->workspace_id), PG(in->project), PG(in->only)),
		"tasks", result, e);
}

const struct tool tool_task_list = {
	.name = "task_list",
	.text = "Tasks and milestones of a project with role, effort in minutes, dates, progress, version, and the numbers "
		"of the tasks they come after.",
	.fields = list_fields, .args_size = sizeof(struct list_args), .run = list_run,
};

struct new_task {
	const char *name, *role, *start, *finish;
	int64_t effort_min;
	struct field_list after;
};
struct create_args {
	const char *project;
	struct field_list tasks;
};
static const struct field new_task_fields[] = {
	{ "name", FIELD_TEXT, offsetof(struct new_task, name), true, "Name, unique in the project.", 1, 200 },
	{ "role", FIELD_TEXT, offsetof(struct new_task, role), .text = "Role that does it: Designer.", .max = 100 },
	{ "effort_min", FIELD_I64, offsetof(struct new_task, effort_min), true, "Work in minutes: 8 hours are 480.",
		1, 6000000 },
	{ "start", FIELD_DATE, offsetof(struct new_task, start), true, "First day." },
	{ "finish", FIELD_DATE, offsetof(struct new_task, finish), true, "Last day, included." },
	{ "after", FIELD_TEXTS, offsetof(struct new_task, after), .text = "Names or numbers of tasks it must wait for.",
		.max = 20 },
	{ 0 },
};
static const struct field create_fields[] = {
	{ "project", FIELD_TEXT, offsetof(struct create_args, project), true, "Project code.", 1, 20 },
	{ "tasks", FIELD_OBJECTS, offsetof(struct create_args, tasks), true, "The tasks, in order.", 1, 50,
		.items = new_task_fields, .item_size = sizeof(struct new_task) },
	{ 0 },
};

static const char *tasks_json(struct arena *a, const struct field_list *tasks)
{
	cJSON *list = json_array(a);
	const struct new_task *task = tasks->items;
	for (size_t i = 0; i < tasks->n; i++) {
		cJSON *o = json_add_object(list);
		json_put_text(o, "name", task[i].name);
		json_put_text(o, "role", task[i].role);
		json_put_i64(o, "effort_min", task[i].effort_min);
		json_put_text(o, "start", task[i].start);
		json_put_text(o, "finish", task[i].finish);
	}
	return json_print(a, list);
}

static const char *links_json(struct arena *a, const struct field_list *tasks)
{
	cJSON *list = json_array(a);
	const struct new_task *task = tasks->items;
	for (size_t i = 0; i < tasks->n; i++) {
		const char *const *after = task[i].after.items;
		cJSON *o = json_add_object(list);
		json_put_text(o, "task", task[i].name);
		cJSON *names = json_put_array(o, "after");
		for (size_t k = 0; k < task[i].after.n; k++)
			json_add_text(names, after[k]);
	}
	return json_print(a, list);
}

static bool create_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct create_args *in = args;
	const char *tasks = tasks_json(env->arena, &in->tasks), *links = links_json(env->arena, &in->tasks);
	const cJSON *made;
	if (!tool_rows(env, &sql_psa_task_create, PG_ARGS(PG(env->workspace_id), PG(in->project), PG(tasks),
		PG(env->request_id)), "tasks", &made, e))
		return false;
	if (!pg_query(env->db, env->arena, &sql_psa_task_link, PG_ARGS(PG(env->workspace_id), PG(in->project), PG(links),
		PG(env->request_id)), env->deadline, NULL, e))
		return false;
	*result = made;
	return true;
}

static const struct tool tool_task_create = {
	.name = "task_create",
	.text = "Adds tasks to a project, all or none. They must lie within the project's dates. Gives their numbers.",
	.fields = create_fields, .args_size = sizeof(struct create_args), .effect = TOOL_WRITES, .run = create_run,
};

struct update_args {
	const char *project, *task, *status, *start, *finish, *role;
	int64_t version, progress_bp, effort_min;
};
static const char *const task_states[] = { "open", "working", "review", "blocked", "completed", "cancelled", NULL };
static const struct field update_fields[] = {
	{ "project", FIELD_TEXT, offsetof(struct update_args, project), true, "Project code.", 1, 20 },
	{ "task", FIELD_TEXT, offsetof(struct update_args, task), true, "Number or name of the task.", 1, 200 },
	{ "version", FIELD_I64, offsetof(struct update_args, version), true, "Version of the task as you read it.",
		1, INT32_MAX },
	{ "status", FIELD_TEXT, offsetof(struct update_args, status), .text = "New status; open sets progress to 0, "
		"completed to 10000.", .choices = task_states },
	{ "progress_bp", FIELD_I64, offsetof(struct update_args, progress_bp), .text = "Share done in basis points: 2500 "
		"is a quarter.", .min = 1, .max = 10000 },
	{ "effort_min", FIELD_I64, offsetof(struct update_args, effort_min), .text = "Work in minutes.",
		.min = 1, .max = 6000000 },
	{ "start", FIELD_DATE, offsetof(struct update_args, start), .text = "First day." },
	{ "finish", FIELD_DATE, offsetof(struct update_args, finish), .text = "Last day, included." },
	{ "role", FIELD_TEXT, offsetof(struct update_args, role), .text = "Role that does it.", .max = 100 },
	{ 0 },
};

static bool update_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct update_args *in = args;
	return tool_row(env, &sql_psa_task_update, PG_ARGS(PG(env->workspace_id), PG(in->project), PG(in->task),
		PG(in->version), PG(in->status), PG(in->progress_bp), PG(in->effort_min), PG(in->start), PG(in->finish),
		PG(in->role)), "no such task", result, e);
}

static const struct tool tool_task_update = {
	.name = "task_update",
	.text = "Changes status, progress, effort, dates or role of one task; what you leave out stays. Read the task "
		"first: a version that is not the latest is refused.",
	.fields = update_fields, .args_size = sizeof(struct update_args), .effect = TOOL_WRITES, .run = update_run,
};

struct milestone_args {
	const char *project, *name, *day;
	int64_t version;
};
static const struct field milestone_fields[] = {
	{ "project", FIELD_TEXT, offsetof(struct milestone_args, project), true, "Project code.", 1, 20 },
	{ "name", FIELD_TEXT, offsetof(struct milestone_args, name), true, "Name, unique in the project.", 1, 200 },
	{ "day", FIELD_DATE, offsetof(struct milestone_args, day), true, "The day it is due." },
	{ "version", FIELD_I64, offsetof(struct milestone_args, version), .text = "To move one that exists: its version as "
		"you read it. Leave it out for a new one.", .min = 1, .max = INT32_MAX },
	{ 0 },
};

static bool milestone_run(struct tool_env *env, const void *args, const cJSON **result, struct err *e)
{
	const struct milestone_args *in = args;
	return tool_row(env, &sql_psa_milestone_set, PG_ARGS(PG(env->workspace_id), PG(in->project), PG(in->name),
		PG(in->day), PG(in->version), PG(env->request_id)),
		"a task of the project has that name: choose another for the milestone", result, e);
}

static const struct tool tool_milestone_set = {
	.name = "milestone_set",
	.text = "Makes a milestone of a project, or moves the one of that name.",
	.fields = milestone_fields, .args_size = sizeof(struct milestone_args), .effect = TOOL_WRITES, .run = milestone_run,
};

static const struct tool *const tools[] = {
	&tool_milestone_set, &tool_project_get, &tool_project_search, &tool_task_create, &tool_task_list, &tool_task_update,
	NULL,
};

const struct agent agent_project = {
	.type = "project_management", .name = "project",
	.text = "Plans projects: finds them, makes and changes tasks and milestones, reports effort, dates and progress.",
	.prompt = prompt_project, .tools = tools, .run = agent_loop,
};
