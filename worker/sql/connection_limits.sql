-- How many connections this role may have here, -1 where there is no limit, and how many others hold.
select current_setting('max_connections')::integer - case when r.rolsuper then 0
		else current_setting('superuser_reserved_connections')::integer
			+ coalesce(current_setting('reserved_connections', true), '0')::integer end as server_most,
	d.datconnlimit as database_most, r.rolconnlimit as role_most,
	(select count(*) from pg_stat_activity s where s.datid is not null and s.application_name not like 'drover%') as others
from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()
