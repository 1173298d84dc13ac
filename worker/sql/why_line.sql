-- The place of a request in its line, and how fast that moves. Counted to 10000; ended: in the last 5 minutes.
-- $1 id, $2 fair order
with running as materialized (
	select r.worker_id, count(*) as n from public.agent_requests r
	where r.status = 'processing' and r.phase = 'running' group by r.worker_id
)
select case when $2::boolean and r.phase = 'ready' then drover.count_ahead_fair(r) else drover.count_ahead(r) end as ahead,
	workers.n as workers, workers.slots, workers.taken,
	(select count(*) from public.agent_requests q where q.finished_at > now() - interval '5 minutes') as ended
from public.agent_requests r
cross join (select count(*) as n, coalesce(sum(w.slots), 0) as slots, coalesce(sum(running.n), 0)::bigint as taken
	from drover.workers w left join running on running.worker_id = w.id
	where w.lease_until > clock_timestamp() and not w.draining) workers
where r.id = $1::bigint and r.phase in ('ready', 'blocked')
