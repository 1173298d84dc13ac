-- Schedules, the next to fire first.
-- $1 name (null = all)
select s.name, s.cron, s.time_zone, s.type, s.enabled, s.catch_up, s.next_at, s.last_at, s.last_request_id, s.last_error,
	(extract(epoch from greatest(s.next_at, s.retry_at) - now()) * 1000)::bigint as next_in_ms,
	(extract(epoch from now() - s.last_at) * 1000)::bigint as last_ago_ms,
	to_char(s.next_at at time zone s.time_zone, 'YYYY-MM-DD HH24:MI') as next_there
from drover.schedules s
where $1::text is null or s.name = $1
order by s.enabled desc, s.next_at, s.name
