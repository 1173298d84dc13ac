-- Roles, auth schema and publication as Supabase has them, made only where they are absent; and the worker's own role.
-- Locks: none on existing tables.
do $$
begin
	if not exists (select from pg_roles where rolname = 'anon') then
		create role anon nologin;
	end if;
	if not exists (select from pg_roles where rolname = 'authenticated') then
		create role authenticated nologin;
	end if;
	if not exists (select from pg_roles where rolname = 'service_role') then
		create role service_role nologin;
	end if;
	if not exists (select from pg_roles where rolname = 'drover_worker') then
		-- no password: an operator sets it, and until then nobody logs in
		create role drover_worker login nosuperuser nocreatedb nocreaterole noreplication;
		comment on role drover_worker is 'Drover''s worker processes and its status command. No superuser, no BYPASSRLS: policies name it.';
	end if;
end
$$;

-- Statements of the worker are prepared once; a custom plan would be made anew each time and may flip on stale statistics.
alter role drover_worker set plan_cache_mode = force_generic_plan;
-- Such a plan may have been made while a table was empty, and is kept while it fills. Its costs are guesses: no reason to compile.
alter role drover_worker set enable_seqscan = off;
alter role drover_worker set jit = off;
alter role drover_worker set statement_timeout = '60s';
alter role drover_worker set idle_in_transaction_session_timeout = '60s';
-- A worker that was killed must not leave its last statement running.
alter role drover_worker set client_connection_check_interval = '2s';

do $$
begin
	if to_regnamespace('auth') is null then
		create schema auth;
		comment on schema auth is 'Stands in for Supabase Auth: auth.uid() only.';
		grant usage on schema auth to anon, authenticated, service_role;
	end if;
	if to_regprocedure('auth.uid()') is null then
		create function auth.uid() returns uuid language sql stable as $f$
			select coalesce(
				nullif(current_setting('request.jwt.claim.sub', true), ''),
				nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
		$f$;
		comment on function auth.uid() is 'The user of the current request: claim sub of request.jwt.claims, else null.';
	end if;
	-- On Supabase the schema has another owner and its USAGE is granted by it; its functions are open to all.
	if has_schema_privilege(current_user, 'auth', 'usage with grant option') then
		grant usage on schema auth to drover_worker;
	end if;
	if not exists (select from pg_publication where pubname = 'supabase_realtime') then
		create publication supabase_realtime;
	end if;
end
$$;

create schema if not exists drover;
comment on schema drover is 'Drover''s own machinery: workers, leases, fences, migrations. Not for the app; may change with any version.';
-- Apps reach it through triggers and policies only, which need no right to it.
grant usage on schema drover to drover_worker;
grant usage on schema public to anon, authenticated, service_role, drover_worker;
