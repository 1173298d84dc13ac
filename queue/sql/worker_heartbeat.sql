-- Renews a lease that has not run out; no row = it has, and others may have taken the requests. Asks who is told to stop.
-- $1 worker id, $2 lease in milliseconds, $3 running, $4 claimed, $5 finished, $6 draining
with renewed as (
	update drover.workers set heartbeat_at = now(), lease_until = now() + $2::bigint * interval '1 millisecond',
		running = $3::integer, claimed = $4::bigint, finished = $5::bigint, draining = $6::boolean
	where id = $1::uuid and lease_until > now()
	returning id
)
select coalesce((select array_to_string(array_agg(r.id), ',') from drover.cancels c
	join public.agent_requests r on r.id = c.request_id
	where r.worker_id = renewed.id and r.phase = 'running'), '') as cancelled
from renewed
