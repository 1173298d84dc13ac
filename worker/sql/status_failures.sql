-- Failures of the last hour by error_code, with the newest of each.
select coalesce(r.error_code, '') as error_code, count(*) as n, max(r.id) as newest_id,
	(extract(epoch from now() - max(r.finished_at)) * 1000)::bigint as newest_ms
from public.agent_requests r
where r.finished_at > now() - interval '1 hour' and r.status = 'failed'
group by 1
order by n desc, 1 limit 20
