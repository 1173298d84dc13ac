-- What all workers know of lanes, and how many workers live: one row at least, lane null where there is no lane.
select w.n as workers, l.lane, l.reason, l.why, l.requests_per_minute, l.tokens_per_minute,
	greatest(extract(epoch from l.paused_until - clock_timestamp()) * 1000, 0)::bigint as paused_ms
from (select count(*) as n from drover.workers where lease_until > now()) w
left join (select * from drover.lanes order by updated_at desc limit 1000) l on true
