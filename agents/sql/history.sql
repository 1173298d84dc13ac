-- What the session's earlier requests were, and what came of them: oldest first.
-- $1 request id, $2 how many at most
select h.id, h.request, h.context::text as context, h.status, h.error_code,
	coalesce(h.result ->> 'answer', h.result::text) as answer,
	case when not p.as_it_was then (select string_agg(distinct x.tool_name, ', ' order by x.tool_name)
		from public.tool_executions x where x.request_id = h.id and x.status = 'done') end as tools
from drover.session_history($1::bigint, $2::integer) p join public.agent_requests h on h.id = p.id
order by h.id
