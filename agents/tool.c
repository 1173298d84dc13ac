/* SPDX-License-Identifier: MIT */
/* What tools share. */
#include "tool.h"

bool tool_rows(struct tool_env *env, const struct sql *q, struct pg_args args, const char *key, const cJSON **result,
	struct err *e)
{
	struct pg_rows rows;
	if (!pg_query(env->db, env->arena, q, args, env->deadline, &rows, e))
		return false;
	cJSON *object = json_object(env->arena);
	json_put_copy(object, key, pg_rows_json(env->arena, &rows));
	*result = object;
	return true;
}

bool tool_row(struct tool_env *env, const struct sql *q, struct pg_args args, const char *missing, const cJSON **result,
	struct err *e)
{
	struct pg_rows rows;
	if (!pg_query(env->db, env->arena, q, args, env->deadline, &rows, e))
		return false;
	if (!rows.n)
		return FAIL(e, ERR_INPUT, "not_found", "%s", missing);
	*result = pg_row_json(env->arena, &rows, 0);
	return true;
}

/* ---- ask_user ---- */

struct ask_args {
	const char *question;
	struct field_list choices;
};

static const struct field ask_fields[] = {
	{ "question", FIELD_TEXT, offsetof(struct ask_args, question), .required = true,
		.text = "What to ask, complete in itself", .max = 2000 },
	{ "choices", FIELD_TEXTS, offsetof(struct ask_args, choices), .text = "Answers to choose from, when there are few",
		.max = 20 },
	{ 0 },
};

const struct tool tool_ask_user = {
	.name = "ask_user",
	.text = "Asks the user a question and waits for the answer, which may take long. Only for what nobody else can "
		"know.",
	.fields = ask_fields,
	.args_size = sizeof(struct ask_args),
	.effect = TOOL_QUESTION,
};
