-- Worker processes with their lease and load, the live ones first.
with running as materialized (
	select r.worker_id, count(*) as n from public.agent_requests r
	where r.status = 'processing' and r.phase = 'running' group by r.worker_id
)
select w.id, w.host, w.pid, w.version, w.lease_until > now() as live, w.draining, w.slots,
	coalesce(running.n, 0) as running,
	w.claimed, w.finished,
	(extract(epoch from now() - w.heartbeat_at) * 1000)::bigint as heartbeat_age_ms,
	(extract(epoch from w.lease_until - now()) * 1000)::bigint as lease_left_ms,
	(extract(epoch from now() - w.started_at) * 1000)::bigint as up_ms
from drover.workers w left join running on running.worker_id = w.id
order by live desc, w.host, w.pid limit 1000
