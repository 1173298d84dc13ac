-- Adds blocks to the conversation of a request (fence first).
-- $1 request id; one element a block: $2 sequence, $3 role, $4 type, $5 text, $6 tool, $7 call id, $8 input, $9 output, $10 block, $11 why the turn ended, on its last; of the turn that ends: $12 tokens, $13 model, $14 usage, $15 cost
insert into public.agent_turns (request_id, session_id, user_id, workspace_id, attempt, sequence_number, role, content_type,
	content, tool_name, tool_call_id, tool_input, tool_output, block, stop_reason, tokens_used, model, usage, cost_micros)
select r.id, r.session_id, r.user_id, r.workspace_id, r.attempt, b.sequence, b.role, b.type, b.text, b.tool, b.call,
	b.input::jsonb, b.output::jsonb, b.block::json, b.stop, e.tokens, e.model, e.usage, e.cost
from public.agent_requests r
cross join unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
	$10::text[], $11::text[]) as b (sequence, role, type, text, tool, call, input, output, block, stop)
left join (select $12::integer, $13::text, $14::jsonb, $15::bigint) as e (tokens, model, usage, cost)
	on b.stop <> 'broken' -- a row that only ends a turn that broke off
where r.id = $1::bigint
