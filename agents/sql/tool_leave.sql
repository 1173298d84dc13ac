-- After a tool's statement that may write: back to the worker's own role and settings, within the same transaction.
-- What a function set beyond the transaction is reset already (reset role, reset all), so what holds in it is set again.
-- $1 search_path, $2 statement_timeout, $3 plan_cache_mode, $4 enable_seqscan, as they were, $5 claims
select set_config('search_path', $1::text, true), set_config('statement_timeout', $2::text, true),
	set_config('plan_cache_mode', $3::text, true), set_config('enable_seqscan', $4::text, true),
	set_config('request.jwt.claims', $5::text, true), pg_catalog.pg_advisory_unlock_all()
