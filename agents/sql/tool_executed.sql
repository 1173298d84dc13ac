-- Notes what a tool call did, in the transaction of its effect (fence first); of a call outside the outcome of its intent.
-- $1 request id, $2 call id, $3 tool, $4 input, $5 output, $6 status, $7 milliseconds
insert into public.tool_executions as x (request_id, session_id, user_id, tool_call_id, tool_name, input, output, status, attempt,
	duration_ms)
select r.id, r.session_id, r.user_id, $2, $3, $4::jsonb, $5::jsonb, $6, r.attempt, $7::integer
from public.agent_requests r where r.id = $1::bigint
-- a second outcome of one call is refused: a status is never null
on conflict (request_id, tool_call_id) do update
	set status = case x.status when 'started' then excluded.status end, output = excluded.output, duration_ms = excluded.duration_ms
