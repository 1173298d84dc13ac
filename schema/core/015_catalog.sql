-- Tools that are files run their statements as roles of the app: the worker may become these, and inherits nothing of them.
-- Locks: none on existing tables.
do $$
begin
	if current_setting('server_version_num')::integer >= 160000 then
		execute 'grant anon, authenticated to drover_worker with inherit false, set true';
	else
		-- before Postgres 16 that is a property of the member, for all that it is a member of
		alter role drover_worker noinherit;
		grant anon, authenticated to drover_worker;
	end if;
exception when insufficient_privilege then
	raise warning 'drover_worker may not become anon and authenticated: without it SQL tools of the catalog do not run. Let the owner '
		'of these roles grant them to drover_worker, without inheritance';
end
$$;
comment on role drover_worker is 'Drover''s worker processes and its status command. No superuser, no BYPASSRLS: policies name it. May become anon and authenticated, for SQL tools of the catalog, and has no right of theirs before it does.';
