-- The server and the role, as doctor judges them.
select current_setting('server_version') as version, current_setting('server_version_num')::integer as version_num,
	current_setting('server_encoding') as encoding, current_user as role, r.rolsuper, r.rolbypassrls,
	pg_is_in_recovery() as standby, pg_backend_pid() as backend_pid,
	(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms,
	current_setting('max_connections')::integer as max_connections
from pg_roles r where r.rolname = current_user
