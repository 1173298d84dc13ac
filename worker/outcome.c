/* SPDX-License-Identifier: MIT */
#include "outcome.h"

static void tell(const struct command_run *run, int64_t id, const struct outcome *o, bool json)
{
	if (!json) {
		printf("%lld ", (long long)id);
		print_text(&run->out, o->matched ? STYLE_GREEN : STYLE_YELLOW, str_of(o->text), -1);
		putchar('\n');
		return;
	}
	ARENA_SCOPE(tmp);
	cJSON *line = json_object(tmp);
	json_put_i64(line, "id", id);
	json_put_text(line, "outcome", o->code);
	json_put_bool(line, "done", o->matched);
	print_json(&run->out, line);
}

bool outcome_each(struct command_run *run,
	bool (*act)(struct pg *db, struct arena *a, int64_t id, struct outcome *out, struct err *e), bool json,
	struct err *e)
{
	struct pg *db = command_db(run, e);
	for (size_t i = 0; db && i < run->n_words; i++) {
		struct outcome o;
		int64_t id = command_id(run, i);
		if (!act(db, run->arena, id, &o, e)) {
			run->exit = EXIT_DONE; /* the error says more than an earlier request that did not match */
			return err_prefix(e, "request %lld: ", (long long)id);
		}
		tell(run, id, &o, json);
		if (!o.matched)
			run->exit = EXIT_NO_MATCH;
	}
	return db;
}
