-- What holds back a request that is ready: the one before it in its session, and whether any worker lives.
-- $1 id
select b.id as before_id, b.phase as before_phase,
	exists (select from drover.workers w where w.lease_until > now() and not w.draining) as worker_lives
from public.agent_requests r
left join lateral (
	select o.id, o.phase from public.agent_requests o
	where r.parent_id is null and o.session_id = r.session_id and o.parent_id is null
		and o.status in ('queued', 'processing') and o.id <> r.id
		and (o.status = 'processing' or (o.id < r.id and o.phase <> 'scheduled'))
	order by o.status, o.id limit 1) b on true
where r.id = $1::bigint and r.phase = 'ready'
