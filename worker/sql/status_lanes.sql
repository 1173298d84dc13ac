-- Lanes of models that were heard of in the last day, or are paused; the paused ones first.
select l.lane, l.paused_until > now() as paused,
	case when l.paused_until > now() then l.reason end as reason,
	case when l.paused_until > now() then date_trunc('second', l.paused_until) end as paused_until,
	case when l.paused_until > now() then (extract(epoch from l.paused_until - now()) * 1000)::bigint end as paused_ms,
	case when l.paused_until > now() then l.why end as why, l.requests_per_minute, l.tokens_per_minute
from drover.lanes l
where l.updated_at > now() - interval '1 day' or l.paused_until > now()
order by paused desc nulls last, l.lane limit 1000
