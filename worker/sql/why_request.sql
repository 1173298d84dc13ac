-- Of which request the question is.
-- $1 id
select r.id, r.type, r.status, r.phase, r.blocked_on, r.priority, r.session_id, r.workspace_id, r.user_id, r.parent_id, r.created_at,
	(extract(epoch from clock_timestamp() - r.created_at) * 1000)::bigint as age_ms
from public.agent_requests r where r.id = $1::bigint
