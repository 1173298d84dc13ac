-- Makes the session of a request, or finds it, and notes there that the request has begun; no row = it belongs to
-- somebody else.
-- $1 request id
insert into public.agent_sessions (id, user_id, workspace_id, recent)
select r.session_id, r.user_id, r.workspace_id, case when r.parent_id is null then array[r.id] else '{}' end
from public.agent_requests r where r.id = $1::bigint
on conflict (id) do update set last_activity_at = now(),
	recent = drover.session_recent(public.agent_sessions.recent, excluded.recent)
	where public.agent_sessions.user_id is not distinct from excluded.user_id
returning id
