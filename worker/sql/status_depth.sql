-- Open requests by type, status and phase: how many, how old the oldest, how many first started in the last minute.
with processing as materialized (
	select r.id, r.type, r.status, r.phase, r.created_at, r.started_at from public.agent_requests r where r.status = 'processing'
), open as (
	select p.type, p.status, p.phase, p.created_at, p.started_at from processing p
	union all
	select r.type, r.status, r.phase, r.created_at, r.started_at
	from public.agent_requests r where r.parent_id is null and r.status = 'queued'
	union all
	select c.type, c.status, c.phase, c.created_at, c.started_at
	from processing p join public.agent_requests c on c.parent_id = p.id
	where p.phase = 'waiting_children' and c.status = 'queued'
)
select o.type, o.status, o.phase, count(*) as n,
	(extract(epoch from now() - min(o.created_at)) * 1000)::bigint as oldest_ms,
	count(*) filter (where o.started_at > now() - interval '1 minute') as started_last_minute
from open o
group by o.type, o.status, o.phase
order by o.type, o.status desc, o.phase
