-- The conversation of a request, block by block, behind those of its session that go back as they were.
-- $1 request id, $2 how many earlier requests at most
select t.request_id, t.role, t.content_type, t.content, t.tool_name, t.tool_call_id,
	case when t.request_id = $1::bigint then t.tool_input end as tool_input, t.block::text as block, t.stop_reason,
	t.sequence_number, (t.usage ->> 'input_tokens')::bigint + (t.usage ->> 'cache_write_tokens')::bigint
		+ (t.usage ->> 'cache_read_tokens')::bigint as prompt_tokens
from public.agent_turns t
where t.request_id = any (array(select p.id from drover.session_history($1::bigint, $2::integer) p where p.as_it_was)
	|| $1::bigint)
order by t.request_id, t.sequence_number
