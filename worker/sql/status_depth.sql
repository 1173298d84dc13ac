-- Open requests by type, status and phase: how many, how old the oldest, how many first started in the last minute.
with recursive parents as (
	select r.id from public.agent_requests r
	where r.parent_id is null and r.status = 'processing' and r.phase = 'waiting_children'
	union all
	select c.id from parents p join public.agent_requests c on c.parent_id = p.id
	where c.status = 'processing' and c.phase = 'waiting_children'
), open as (
	select r.type, r.status, r.phase, r.created_at, r.started_at
	from public.agent_requests r where r.parent_id is null and r.status in ('queued', 'processing')
	union all
	select c.type, c.status, c.phase, c.created_at, c.started_at
	from parents p join public.agent_requests c on c.parent_id = p.id where c.status in ('queued', 'processing')
	union all -- told to stop with a parent that has ended already
	select r.type, r.status, r.phase, r.created_at, r.started_at
	from public.agent_requests r join public.agent_requests p on p.id = r.parent_id
	where r.phase = 'running' and p.status in ('completed', 'failed')
)
select o.type, o.status, o.phase, count(*) as n,
	(extract(epoch from now() - min(o.created_at)) * 1000)::bigint as oldest_ms,
	count(*) filter (where o.started_at > now() - interval '1 minute') as started_last_minute
from open o
group by o.type, o.status, o.phase
order by o.type, o.status desc, o.phase
