-- Wait and run times of what ended in the last hour, of the newest 10,000 at most. A time to come is no wait.
with newest as (
	select
		extract(epoch from r.started_at - case when r.run_at between r.created_at and r.started_at then r.run_at
			else r.created_at end) * 1000 as wait_ms,
		extract(epoch from r.finished_at - r.started_at) * 1000 as run_ms
	from public.agent_requests r
	where r.finished_at > now() - interval '1 hour'
	order by r.finished_at desc limit 10000
)
select count(*) as requests,
	percentile_disc(0.5) within group (order by n.wait_ms)::bigint as wait_p50_ms,
	percentile_disc(0.99) within group (order by n.wait_ms)::bigint as wait_p99_ms,
	percentile_disc(0.5) within group (order by n.run_ms)::bigint as run_p50_ms,
	percentile_disc(0.99) within group (order by n.run_ms)::bigint as run_p99_ms
from newest n where n.run_ms is not null
