-- Children of a request that have ended and whose results no tool call has told yet, in order; of a retried one without those that are made anew.
-- $1 request id, $2 names of the tools that make children
select c.id, c.type, c.request, c.status, coalesce(c.result ->> 'answer', c.result::text) as answer, (c.result -> 'value')::text as value,
	c.error
from public.agent_requests c
where c.parent_id = $1::bigint and c.status in ('completed', 'failed') and c.phase <> 'superseded' and not exists (select from public.tool_executions x
	where x.request_id = $1 and x.tool_name = any ($2::text[]) and x.output ->> 'child' = c.id::text)
order by c.id
