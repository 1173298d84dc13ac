-- All descendants of a request, as a tree in order of ids.
-- $1 id
with recursive family as (
	select c.id, c.parent_id, array[c.id] as path, 1 as depth
	from public.agent_requests c where c.parent_id = $1::bigint
	union all
	select c.id, c.parent_id, f.path || c.id, f.depth + 1
	from family f join public.agent_requests c on c.parent_id = f.id
)
select r.id, r.parent_id, f.depth, r.type, r.status, r.phase, r.attempt, r.error_code, r.request,
	array_to_string(r.depends_on, ', ') as depends_on,
	(extract(epoch from coalesce(r.finished_at, now()) - r.started_at) * 1000)::bigint as ran_ms
from family f join public.agent_requests r on r.id = f.id
order by f.path limit 1000
