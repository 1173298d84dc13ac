-- The conversation of a request, block by block.
-- $1 request id
select t.role, t.content_type, t.content, t.tool_name, t.tool_call_id, t.tool_input, t.block::text as block, t.stop_reason,
	t.sequence_number
from public.agent_turns t where t.request_id = $1::bigint order by t.sequence_number
