-- The requests that are followed and all their children, and whether each has ended.
-- $1 request ids
with recursive family as (
	select r.id, r.parent_id, r.type, r.status, r.phase from public.agent_requests r where r.id = any ($1::bigint[])
	union
	select c.id, c.parent_id, c.type, c.status, c.phase
	from family f join public.agent_requests c on c.parent_id = f.id
)
select f.id, f.parent_id, f.type, f.status, f.phase, f.status in ('completed', 'failed') as ended
from family f
order by f.id
