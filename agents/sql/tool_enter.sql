-- Before a tool's statement: the app's role, its own settings, no writing if it only reads; no row when that role is above row level security.
-- $1 role, $2 milliseconds, $3 on = reads only
select set_config('search_path', 'pg_catalog, public, pg_temp', true), set_config('statement_timeout', $2::text, true),
	set_config('plan_cache_mode', 'auto', true), set_config('enable_seqscan', 'on', true),
	set_config('standard_conforming_strings', 'on', true), set_config('transaction_read_only', $3::text, true),
	set_config('role', r.rolname, true), coalesce(current_setting('request.jwt.claims', true), '') as claims
from pg_catalog.pg_roles r
where r.rolname = $1::text and not r.rolsuper and not r.rolbypassrls
