/* SPDX-License-Identifier: MIT */
/*
 * Plans with one forced tool call, lets child requests do the work while no worker is held, and answers from their
 * results. It runs twice: until the children are made, and again when all have ended; what it is at, it reads from its
 * conversation, so a crash anywhere between changes nothing.
 */
#include "agents.h"
#include "agents_sql.h"
#include "conversation.h"
#include "plan.h"
#include "prompts.h"

struct orchestration {
	struct agent_run *run;
	struct conversation c;
	struct plan plan;
};

static bool finish(struct orchestration *o, const char *answer, struct agent_result *result)
{
	cJSON *json = json_object(o->run->arena);
	json_put_text(json, "answer", answer);
	json_put_text(json, "mode", o->plan.mode);
	json_put_text(json, "reason", o->plan.reason);
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = json_print(o->run->arena, json), .message = answer };
	return true;
}

/* ---- planning ---- */

/* Every call needs its answer in the next message, also one that is not the plan. */
static bool refuse_all(struct orchestration *o, const char *why, struct err *e)
{
	while (o->c.n_open) {
		cJSON *output = json_object(o->run->arena);
		json_put_text(output, "error", why);
		struct model_block call = o->c.open[0];
		struct tool_answer answer = { &call, json_print(o->run->arena, output), "refused", 0 };
		if (!conversation_answer(o->run, &o->c, &answer, e))
			return false;
	}
	return true;
}

/* NULL: the call is a plan that can be carried out, and o->plan is it. */
static const char *plan_mistake(struct orchestration *o, const struct model_block *call)
{
	struct err e = { 0 };
	if (strcmp(call->tool_name, "plan") != 0)
		return "call plan first";
	if (!call->input)
		return call->input_error;
	struct agent_run *run = o->run;
	bool ok = plan_read(run->arena, call->input, run->agents, run->limits.children, &o->plan, &e);
	return ok ? NULL : arena_text(run->arena, str_of(e.msg));
}

static const char *open_mistake(struct orchestration *o)
{
	return o->c.n_open > 1 ? "call plan alone, once" : plan_mistake(o, &o->c.open[0]);
}

static bool plan_turn(struct orchestration *o, const char *mistake, struct err *e)
{
	if (o->c.turns >= o->run->limits.turns)
		return FAIL(e, ERR_INPUT, "turn_limit", "the model made no usable plan in %ld turns; the last mistake: %s",
			(long)o->c.turns, mistake);
	if (!conversation_turn(o->run, &o->c, "plan", e) || !conversation_stop_check(&o->c, e))
		return false;
	return o->c.n_open || FAIL(e, ERR_BUSY, "model_garbage", "the model did not call the tool that it was told to call");
}

/* Until there is a plan that can be carried out, or no turn left. */
static bool make_plan(struct orchestration *o, struct err *e)
{
	const char *mistake = "none";
	while (!o->c.n_open || (mistake = open_mistake(o)))
		if (!refuse_all(o, mistake, e) || !plan_turn(o, mistake, e))
			return false;
	thought_add(o->run->thoughts, THOUGHT_STATUS, plan_text(o->run->arena, &o->plan), NULL);
	return true;
}

/* The plan that was carried out: the last that can be. */
static bool recall_plan(struct orchestration *o, struct err *e)
{
	for (int64_t i = o->c.tool_calls; i-- > 0;)
		if (!plan_mistake(o, &o->c.calls[i]))
			return true;
	return FAIL(e, ERR_BUG, "plan_lost", "the request has children, but its conversation has no plan");
}

/* ---- children ---- */

static bool children_start(struct orchestration *o, struct agent_result *result)
{
	const struct plan_step *steps = o->plan.steps.items;
	struct agent_child *children = arena_alloc(o->run->arena, o->plan.steps.n * sizeof(*children));
	for (size_t i = 0; i < o->plan.steps.n; i++)
		children[i] = (struct agent_child){ steps[i].agent, steps[i].task, steps[i].after };
	*result = (struct agent_result){ .outcome = AGENT_WAITS, .children = children, .n_children = (int)o->plan.steps.n };
	return true;
}

static bool children_load(struct orchestration *o, struct pg_rows *rows, struct err *e)
{
	struct pg_args id = PG_ARGS(PG(o->run->request_id));
	return conversation_ask(o->run, &sql_children, id, rows, e);
}

static bool completed(const struct pg_rows *children, int i)
{
	return strcmp(pg_text(children, i, "status"), "completed") == 0;
}

static bool any_completed(const struct pg_rows *children, struct err *e)
{
	for (int i = 0; i < children->n; i++)
		if (completed(children, i))
			return true;
	return FAIL(e, ERR_INPUT, "children_failed", "%s failed: %s", pg_text(children, 0, "type"),
		pg_text(children, 0, "error"));
}

static const char *children_json(struct orchestration *o, const struct pg_rows *children)
{
	cJSON *json = json_object(o->run->arena);
	cJSON *all = json_put_array(json, "children");
	for (int i = 0; i < children->n; i++) {
		cJSON *child = json_add_object(all);
		json_put_text(child, "agent", pg_text(children, i, "type"));
		json_put_text(child, "task", pg_text(children, i, "request"));
		json_put_text(child, "status", pg_text(children, i, "status"));
		if (completed(children, i))
			json_put_text(child, "answer", pg_text(children, i, "answer"));
		else
			json_put_text(child, "error", pg_text(children, i, "error"));
	}
	return json_print(o->run->arena, json);
}

/* ---- answering ---- */

/* The plan's answer is what the children found. */
static bool tell_results(struct orchestration *o, const struct pg_rows *children, struct err *e)
{
	if (!o->c.n_open)
		return true;
	struct model_block call = o->c.open[0];
	struct tool_answer answer = { &call, children_json(o, children), "done", 0 };
	return conversation_answer(o->run, &o->c, &answer, e);
}

static bool synthesize(struct orchestration *o, const struct pg_rows *children, struct agent_result *result, struct err *e)
{
	if (!tell_results(o, children, e))
		return false;
	while (!conversation_ended(&o->c)) {
		if (!refuse_all(o, "the plan has been carried out: answer the user now", e))
			return false;
		if (o->c.turns >= o->run->limits.turns)
			return FAIL(e, ERR_INPUT, "turn_limit", "the model gave no answer in %ld turns (option limits.turns)",
				(long)o->c.turns);
		if (!conversation_turn(o->run, &o->c, NULL, e))
			return false;
	}
	return conversation_stop_check(&o->c, e) && finish(o, o->c.text, result);
}

/* A single agent's answer goes to the user as it is: no second model call, nothing lost in retelling. */
static bool answer_from(struct orchestration *o, const struct pg_rows *children, struct agent_result *result, struct err *e)
{
	if (!recall_plan(o, e) || !any_completed(children, e))
		return false;
	if (strcmp(o->plan.mode, "single") == 0)
		return finish(o, pg_text(children, 0, "answer"), result);
	return synthesize(o, children, result, e);
}

static bool orchestrate(struct agent_run *run, struct agent_result *result, struct err *e)
{
	struct pg_rows children;
	struct orchestration *o = arena_alloc(run->arena, sizeof(*o));
	o->run = run;
	if (!conversation_load(run, &o->c, e) || !children_load(o, &children, e))
		return false;
	if (children.n)
		return answer_from(o, &children, result, e);
	if (!make_plan(o, e))
		return false;
	if (plan_has_steps(&o->plan))
		return children_start(o, result);
	return finish(o, o->plan.question ? o->plan.question : o->plan.reason, result);
}

const struct agent agent_orchestrator = {
	.type = "orchestrator",
	.name = "orchestrator",
	.text = "Decides which agents work on a request, and answers from what they found.",
	.prompt = prompt_orchestrator,
	.define = plan_tools,
	.run = orchestrate,
};
