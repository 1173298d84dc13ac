-- Requests of a session: those that are open, and those that have log rows from a place on.
-- $1 session, $2 id of the log row to look from
select r.id from public.agent_requests r
where r.session_id = $1::uuid and r.parent_id is null and r.status in ('queued', 'processing')
union
select l.request_id from public.agent_logs l where l.session_id = $1::uuid and l.id > $2::bigint
order by 1
