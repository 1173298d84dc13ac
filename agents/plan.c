/* SPDX-License-Identifier: MIT */
#include "plan.h"

enum { STEPS_MOST = 100 }; /* what can be read; what may be run is limits.children */

static const char *const modes[] = { "single", "sequential", "parallel", "clarify", "refuse", NULL };

static const struct field step_fields[] = {
	{ "agent", FIELD_TEXT, offsetof(struct plan_step, agent), true, "Who does it: one of the agents listed in the tool's description." },
	{ "task", FIELD_TEXT, offsetof(struct plan_step, task), true, "What to do and what to report back, complete in itself.", .min = 1, .max = 4000 },
	{ "after", FIELD_I64S, offsetof(struct plan_step, after), false, "Numbers of earlier steps, from 0, whose results this one needs.", .max = STEPS_MOST },
	{ 0 },
};

static const struct field plan_fields[] = {
	{ "mode", FIELD_TEXT, offsetof(struct plan, mode), true, "How the request is handled.", .choices = modes },
	{ "reason", FIELD_TEXT, offsetof(struct plan, reason), true, "Why so, in one sentence; for refuse, what the user is told.", .max = 1000 },
	{ "question", FIELD_TEXT, offsetof(struct plan, question), false, "For clarify: the question to the user.", .max = 1000 },
	{ "steps", FIELD_OBJECTS, offsetof(struct plan, steps), false, "For single, sequential and parallel: who does what.", .max = STEPS_MOST, .items = step_fields, .item_size = sizeof(struct plan_step) },
	{ 0 },
};

static bool is_mode(const struct plan *plan, const char *mode)
{
	return strcmp(plan->mode, mode) == 0;
}

bool plan_has_steps(const struct plan *plan)
{
	return !is_mode(plan, "clarify") && !is_mode(plan, "refuse");
}

/* ---- checking ---- */

/* A child that plans again would make children without end. */
static bool can_do_steps(const struct agent *agent)
{
	return agent->tools && agent->tools[0];
}

static const char *agent_types(struct arena *a, const struct agent *const *agents)
{
	const char *all = "";
	for (; *agents; agents++)
		if (can_do_steps(*agents))
			all = arena_printf(a, "%s%s%s", all, all[0] ? ", " : "", (*agents)->type);
	return all;
}

static bool after_check(const struct plan_step *step, int number, struct err *e)
{
	const int64_t *after = step->after.items;
	for (size_t i = 0; i < step->after.n; i++)
		if (after[i] < 0 || after[i] >= number)
			return FAIL(e, ERR_INPUT, "bad_plan", "steps[%d].after: %ld is not the number of an earlier step", number,
				(long)after[i]);
	return true;
}

/* In a sequence each step needs the one before, whether the model says so or not. */
static void after_previous(struct arena *a, struct plan_step *step, int number)
{
	if (step->after.n || number == 0)
		return;
	int64_t *after = arena_alloc(a, sizeof(*after));
	after[0] = number - 1;
	step->after = (struct field_list){ 1, after };
}

static bool step_check(struct arena *a, const struct agent *const *agents, const struct plan *plan, int number,
	struct err *e)
{
	struct plan_step *step = (struct plan_step *)plan->steps.items + number;
	const struct agent *agent = agent_find(agents, step->agent);
	if (!agent || !can_do_steps(agent))
		return FAIL(e, ERR_INPUT, "bad_plan", "steps[%d].agent: no agent %s; there are: %s", number, step->agent,
			agent_types(a, agents));
	if (!after_check(step, number, e))
		return false;
	if (is_mode(plan, "sequential"))
		after_previous(a, step, number);
	return true;
}

bool plan_read(struct arena *a, const cJSON *input, const struct agent *const *agents, int64_t most, struct plan *plan,
	struct err *e)
{
	*plan = (struct plan){ 0 };
	if (!field_read(a, plan_fields, input, plan, e))
		return false;
	if (is_mode(plan, "clarify") && !plan->question)
		return FAIL(e, ERR_INPUT, "bad_plan", "question: is required for clarify");
	if (plan_has_steps(plan) && plan->steps.n == 0)
		return FAIL(e, ERR_INPUT, "bad_plan", "steps: are required for %s", plan->mode);
	if (is_mode(plan, "single") && plan->steps.n != 1)
		return FAIL(e, ERR_INPUT, "bad_plan", "steps: single has exactly one, not %zu", plan->steps.n);
	if ((int64_t)plan->steps.n > most)
		return FAIL(e, ERR_INPUT, "bad_plan", "steps: at most %ld, not %zu", (long)most, plan->steps.n);
	for (size_t i = 0; i < plan->steps.n; i++)
		if (!step_check(a, agents, plan, (int)i, e))
			return false;
	return true;
}

/* ---- telling ---- */

const cJSON *plan_tools(struct arena *a, const struct agent *const *agents)
{
	const char *text = "Decide who does what. Call it exactly once. Agents:";
	for (const struct agent *const *agent = agents; *agent; agent++)
		if (can_do_steps(*agent))
			text = arena_printf(a, "%s\n- %s: %s", text, (*agent)->type, (*agent)->text);
	cJSON *tools = json_array(a);
	cJSON *tool = json_add_object(tools);
	json_put_text(tool, "name", "plan");
	json_put_text(tool, "description", text);
	json_put_copy(tool, "input_schema", field_schema(a, plan_fields));
	return tools;
}

const char *plan_text(struct arena *a, const struct plan *plan)
{
	const struct plan_step *steps = plan->steps.items;
	const char *text = arena_printf(a, "%s: %s", plan->mode, plan->reason);
	for (size_t i = 0; i < plan->steps.n; i++)
		text = arena_printf(a, "%s\n%zu. %s: %s", text, i, steps[i].agent, steps[i].task);
	return text;
}
