-- After wait_for_children, in its transaction: what people are asked, and the request's new phase.
-- $1 id, $2 version, $3 agent, $4 proposals [{tool_call_id, tool_name, kind, input, preview, text, not_requester, expire_ms}]
select drover.wait_for_people($1::bigint, $2::integer, $3, $4::jsonb)
