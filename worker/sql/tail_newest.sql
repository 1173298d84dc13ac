-- The newest log row of a session.
-- $1 session
select coalesce(max(l.id), 0) as id from public.agent_logs l where l.session_id = $1::uuid
