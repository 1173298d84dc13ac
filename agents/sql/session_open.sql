-- Makes the session of a request, or finds it; no row = it belongs to somebody else.
-- $1 request id
insert into public.agent_sessions (id, user_id, workspace_id)
select r.session_id, r.user_id, r.workspace_id from public.agent_requests r where r.id = $1::bigint
on conflict (id) do update set last_activity_at = now()
	where public.agent_sessions.user_id is not distinct from excluded.user_id
returning id
