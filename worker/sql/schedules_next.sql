-- The next times of a cron line.
-- $1 cron, $2 time zone, $3 how many
with recursive fires as (
	select 1 as n, drover.cron_next($1, $2, now()) as at
	union all
	select f.n + 1, drover.cron_next($1, $2, f.at) from fires f where f.n < $3::integer
)
select drover.instant_text(f.at) as at, to_char(f.at at time zone $2, 'Dy YYYY-MM-DD HH24:MI') as there,
	(extract(epoch from f.at - now()) * 1000)::bigint as in_ms
from fires f order by f.n
