-- Whose transaction in this database is the oldest, for who may see that.
select format('that of connection %s (%s, %s, %s), %s s old', a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'no name'), a.state,
	extract(epoch from now() - a.xact_start)::bigint) as who
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start < now()
order by a.xact_start limit 1
