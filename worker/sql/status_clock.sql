-- The server's clock, and whether a request is still ready and untouched.
-- $1 id, $2 version
select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms,
	exists (select from public.agent_requests r where r.id = $1::bigint and r.version = $2::integer and r.phase = 'ready') as still_ready
