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
