-- What a worker has learned of lanes: of two pauses the later end counts.
-- $1 JSON [{lane, reason, paused_ms, why, requests_per_minute, tokens_per_minute}]; paused_ms 0 = an open circuit has closed, below 0 = nothing new; 0 a minute = not known
insert into drover.lanes as l (lane, paused_until, reason, why, requests_per_minute, tokens_per_minute)
select x.lane, case when x.paused_ms > 0 then clock_timestamp() + x.paused_ms * interval '1 ms'
		when x.paused_ms = 0 then clock_timestamp() end,
	case when x.paused_ms > 0 then x.reason when x.paused_ms = 0 then 'circuit_open' end,
	case when x.paused_ms > 0 then x.why end, nullif(x.requests_per_minute, 0), nullif(x.tokens_per_minute, 0)
from jsonb_to_recordset($1::jsonb) as x (lane text, reason text, paused_ms bigint, why text, requests_per_minute integer,
	tokens_per_minute integer)
order by x.lane
on conflict (lane) do update set
	(paused_until, reason, why) = (
		select case when s.stays then l.paused_until else excluded.paused_until end,
			case when s.stays then l.reason else excluded.reason end, case when s.stays then l.why else excluded.why end
		from (select coalesce(excluded.paused_until is null or (l.paused_until >= excluded.paused_until
			and not (l.reason = 'circuit_open' and excluded.paused_until <= clock_timestamp())), false) as stays) s),
	requests_per_minute = coalesce(excluded.requests_per_minute, l.requests_per_minute),
	tokens_per_minute = coalesce(excluded.tokens_per_minute, l.tokens_per_minute),
	updated_at = clock_timestamp()
