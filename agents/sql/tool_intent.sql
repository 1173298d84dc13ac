-- The intent of a call outside, before it is made (fence first); one row, however often it is tried. Its idempotency key.
-- $1 request id, $2 call id, $3 tool, $4 input
with call as (
	-- the session is a random number: two databases that count alike do not give one key twice
	select r.id, r.session_id, r.user_id, r.attempt, md5(concat_ws(' ', r.session_id, r.id, $2::text))::uuid::text as key
	from public.agent_requests r where r.id = $1::bigint
), intent as (
	insert into public.tool_executions as x (request_id, session_id, user_id, tool_call_id, tool_name, input, status, attempt,
		duration_ms, idempotency_key, started_at)
	select c.id, c.session_id, c.user_id, $2, $3, $4::jsonb, 'started', c.attempt, 0, c.key, clock_timestamp() from call c
	-- when it was last begun says whether a person's word was for this time or for one before
	on conflict (request_id, tool_call_id) do update set started_at = excluded.started_at where x.status = 'started'
)
select c.key from call c
