-- What earlier attempts left behind about the tool calls of a request: intents without an outcome, decisions of people.
-- $1 request id
select x.tool_call_id, 'intent' as kind, x.status, null::text as note, null::text as answer
from public.tool_executions x where x.request_id = $1::bigint and x.status = 'started'
union all
select p.tool_call_id, p.kind,
	-- a yes to run a lost call again is for one run: used, when it was begun after that
	case when p.kind = 'unknown' and p.status = 'approved' and exists (select from public.tool_executions x where x.request_id = $1
		and x.tool_call_id = p.tool_call_id and x.started_at > p.decided_at) then 'used' else p.status end, p.note, p.answer
from public.change_proposals p where p.request_id = $1
