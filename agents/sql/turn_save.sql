-- Adds blocks to the conversation of a request (fence first).
-- $1 request id; one element a block: $2 sequence, $3 role, $4 type, $5 text, $6 tool, $7 call id, $8 input, $9 output, $10 block, $11 why the turn ended, on its last; $12 tokens of the turn
insert into public.agent_turns (request_id, session_id, user_id, workspace_id, attempt, sequence_number, role, content_type,
	content, tool_name, tool_call_id, tool_input, tool_output, block, stop_reason, tokens_used)
select r.id, r.session_id, r.user_id, r.workspace_id, r.attempt, b.sequence, b.role, b.type, b.text, b.tool, b.call,
	b.input::jsonb, b.output::jsonb, b.block::json, b.stop, case when b.stop is not null then $12::integer end
from public.agent_requests r, unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
	$8::text[], $9::text[], $10::text[], $11::text[])
	as b (sequence, role, type, text, tool, call, input, output, block, stop)
where r.id = $1::bigint
