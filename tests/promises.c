/* SPDX-License-Identifier: MIT */
#include "promises.h"

/* Each counts what breaks it. */
static const struct {
	const char *what, *broken;
} promises[] = {
	{ "everything has ended",
		"agent_requests where finished_at is null or waits_on <> 0 or worker_id is not null" },
	{ "what completed has a result and no error",
		"agent_requests where status = 'completed' and (result is null or coalesce(error, error_code) is not null)" },
	{ "what failed has an error with its code, and no result",
		"agent_requests where status = 'failed' and (result is not null or error is null or error_code is null)" },
	{ "every log begins with 1 and has neither gap nor repeat",
		"agent_requests r where (select count(*) = max(seq) and min(seq) = 1 from agent_logs l "
		"where l.request_id = r.id) is distinct from true" },
	{ "turns of what completed have no gap: a failed one lacks answers that were not given any more",
		"(select from agent_turns t join agent_requests r on r.id = t.request_id and r.status = 'completed' group by r.id "
		"having count(*) <> max(sequence_number) or min(sequence_number) <> 1) broken" },
	{ "the last log row, and no other, is the end",
		"agent_requests r where (select string_agg(seq::text, ' ') from agent_logs l "
		"where l.request_id = r.id and kind in ('complete', 'error')) is distinct from "
		"(select max(seq)::text from agent_logs l where l.request_id = r.id)" },
	{ "the end is the one of the status",
		"agent_requests r join agent_logs l on l.request_id = r.id where "
		"(l.kind = 'complete' and r.status <> 'completed') or (l.kind = 'error' and r.status <> 'failed')" },
	{ "every result stands in tool_executions",
		"agent_turns t where t.content_type = 'tool_result' and not exists (select from tool_executions x "
		"where x.request_id = t.request_id and x.tool_call_id = t.tool_call_id)" },
	{ "every execution was told to the model",
		"tool_executions x where not exists (select from agent_turns t where t.content_type = 'tool_result' "
		"and t.request_id = x.request_id and x.tool_call_id = t.tool_call_id)" },
	{ "no call of what completed is without its result",
		"agent_turns t join agent_requests r on r.id = t.request_id and r.status = 'completed' "
		"and r.type <> 'orchestrator' where t.content_type = 'tool_call' and not exists (select from agent_turns u "
		"where u.request_id = r.id and u.content_type = 'tool_result' and u.tool_call_id = t.tool_call_id)" },
	{ "every row names the request's own session and user",
		"agent_requests r join agent_logs l on l.request_id = r.id "
		"where (l.session_id, l.user_id) is distinct from (r.session_id, r.user_id)" },
};

void promises_check(struct arena *a, struct pg *owner, const char *file, int line)
{
	for (size_t i = 0; i < COUNT(promises); i++) {
		const char *sql = arena_printf(a, "select count(*) from %s", promises[i].broken);
		test_check_text(test_ask(a, owner, sql), "0", file, line, promises[i].what);
	}
}
