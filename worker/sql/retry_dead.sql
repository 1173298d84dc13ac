-- What drover retry --failed would run again, oldest first, and how many there are in all.
-- $1 type, $2 error_code, $3 how long ago they ended at most in ms, $4 workspace (null = any), $5 how many at most
select d.id, d.type, d.error_code, d.error, d.attempt, d.user_id, d.workspace_id, d.session_id, d.finished_at,
	(extract(epoch from now() - d.finished_at) * 1000)::bigint as ended_ms, count(*) over () as n
from drover.dead_letters d
where d.parent_id is null and ($1::text is null or d.type = $1) and ($2::text is null or d.error_code = $2)
	and d.finished_at >= coalesce(now() - make_interval(secs => $3::bigint / 1000.0), '-infinity')
	and ($4::uuid is null or d.workspace_id = $4)
order by d.finished_at, d.id limit $5::integer
