-- The requests that another waits for, each with the cause that decides for it.
-- $1 ids, $2 default limits
select q.id, q.type, q.phase, (select c from drover.why(q.id, $2::jsonb) c limit 1) as cause
from unnest($1::bigint[]) o (id) join public.agent_requests q on q.id = o.id order by q.id
