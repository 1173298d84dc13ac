-- Limits and pauses, with how many run under each and how many wait for it (counted to 10000).
-- $1 scope, $2 key (null = any)
select l.scope, l.key, l.max_running, l.weight, l.paused_at is not null as paused, l.paused_at, l.paused_why,
	(extract(epoch from now() - l.paused_at) * 1000)::bigint as paused_ms,
	case when l.key <> '*' and l.max_running is not null then drover.running_under(drover.permit_key(l.scope, l.key)) end as running,
	case when l.key <> '*' then (select count(*) from (select from public.agent_requests r
		where r.phase = 'blocked' and r.blocked_on = drover.permit_key(l.scope, l.key) and r.blocked_on <> 'session'
		limit 10000) r) end as parked
from drover.limits l
where ($1::text is null or l.scope = $1) and ($2::text is null or l.key = $2)
order by array_position('{all,type,workspace,user}', l.scope), l.key
