/* SPDX-License-Identifier: MIT */
#include "tool_ledger.h"
#include "agents_sql.h"
#include "conversation.h"

struct ledger {
	struct arena *a;
	struct pg_rows notes, children;
	bool *taken; /* of children */
};

/* Answers of children carry the child's id, so that none is told twice: those are left out by name of the tool. */
static const char *agent_tools(struct arena *a, const struct tool *const *tools)
{
	enum { NAMES_BYTES = 1024 * 1024 };
	struct buf *names = buf_new(a, NAMES_BYTES);
	for (; tools && *tools; tools++)
		if ((*tools)->effect == TOOL_AGENT)
			pg_array_add(names, (*tools)->name);
	return names->n ? pg_array_end(names) : NULL;
}

bool ledger_load(struct agent_run *run, struct ledger **ledger, struct err *e)
{
	struct ledger *l = arena_alloc(run->arena, sizeof(*l));
	const char *names = agent_tools(run->arena, run->agent->tools);
	l->a = run->arena;
	if (!conversation_ask(run, &sql_tool_ledger, PG_ARGS(PG(run->request_id)), &l->notes, e) ||
		(names && !conversation_ask(run, &sql_tool_children, PG_ARGS(PG(run->request_id), PG(names)), &l->children, e)))
		return false;
	l->taken = arena_alloc(run->arena, (size_t)l->children.n + 1);
	*ledger = l;
	return true;
}

struct ledger_entry ledger_of(const struct ledger *l, const char *tool_call_id)
{
	struct ledger_entry entry = { 0 };
	const struct {
		const char *kind;
		struct ledger_decision *into;
	} kinds[] = { { "approval", &entry.approval }, { "question", &entry.question }, { "unknown", &entry.unknown } };
	for (int i = 0; i < l->notes.n; i++) {
		const char *kind = pg_text(&l->notes, i, "kind");
		if (strcmp(pg_text(&l->notes, i, "tool_call_id"), tool_call_id) != 0)
			continue;
		entry.started |= strcmp(kind, "intent") == 0;
		for (size_t k = 0; k < COUNT(kinds); k++)
			if (strcmp(kind, kinds[k].kind) == 0)
				*kinds[k].into = (struct ledger_decision){ .status = pg_text(&l->notes, i, "status"),
					.note = pg_text(&l->notes, i, "note"), .answer = pg_text(&l->notes, i, "answer") };
	}
	return entry;
}

static const cJSON *child_of(const struct ledger *l, int i)
{
	const struct pg_rows *c = &l->children;
	const char *value = pg_text(c, i, "value"), *error = pg_text(c, i, "error");
	cJSON *child = json_object(l->a);
	json_put_text(child, "child", pg_text(c, i, "id"));
	json_put_text(child, "agent", pg_text(c, i, "type"));
	json_put_text(child, "status", pg_text(c, i, "status"));
	if (strcmp(pg_text(c, i, "status"), "completed") != 0)
		json_put_text(child, "error", error ? error : "it failed");
	else
		json_put_text(child, "answer", pg_text(c, i, "answer"));
	if (value)
		json_put_raw(child, "value", value);
	return child;
}

const cJSON *ledger_take_child(struct ledger *l, const char *type, const char *request)
{
	for (int i = 0; i < l->children.n; i++) {
		if (l->taken[i] || strcmp(pg_text(&l->children, i, "type"), type) != 0 ||
			strcmp(pg_text(&l->children, i, "request"), request) != 0)
			continue;
		l->taken[i] = true;
		return child_of(l, i);
	}
	return NULL;
}
