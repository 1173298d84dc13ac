-- What ended in the last hour, in numbers: requests and tokens. Rates are of the last minute.
select
	count(*) filter (where r.finished_at > now() - interval '1 minute') as finished_last_minute,
	count(*) filter (where r.started_at > now() - interval '1 minute') as started_last_minute,
	count(*) filter (where r.status = 'completed') as completed,
	count(*) filter (where r.status = 'failed') as failed,
	coalesce(sum(r.input_tokens), 0)::bigint as input_tokens,
	coalesce(sum(r.output_tokens), 0)::bigint as output_tokens,
	coalesce(sum(r.cache_write_tokens), 0)::bigint as cache_write_tokens,
	coalesce(sum(r.cache_read_tokens), 0)::bigint as cache_read_tokens,
	coalesce(sum(r.cost_micros), 0)::bigint as cost_micros
from public.agent_requests r
where r.finished_at > now() - interval '1 hour'
