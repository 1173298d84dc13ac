-- Appends thoughts of many requests, for those that are still owned at the claimed version; says which those are.
-- $1 request ids, $2 their versions; then one element a row: $3 request id, $4 seq, $5 agent, $6 kind, $7 message, $8 data
with owned as materialized (
	select r.id, r.session_id, r.user_id, r.attempt
	from unnest($1::bigint[], $2::integer[]) as o (id, version)
	join public.agent_requests r on r.id = o.id and r.version = o.version and r.phase = 'running'
	order by r.id
	for share of r
), written as (
	insert into public.agent_logs (session_id, request_id, user_id, seq, attempt, agent_name, kind, message, data)
	select w.session_id, w.id, w.user_id, t.seq, w.attempt, t.agent, t.kind, t.message, t.data::jsonb
	from unnest($3::bigint[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[]) with ordinality
		as t (request_id, seq, agent, kind, message, data, n)
	join owned w on w.id = t.request_id
	order by t.n
	on conflict (request_id, seq) do nothing -- a batch whose answer was lost is sent again
)
select id from owned
