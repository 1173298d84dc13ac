-- After a tool's statement that may write: back to the worker's own role and settings, within the same transaction.
-- $1 search_path, $2 statement_timeout, $3 plan_cache_mode, $4 enable_seqscan, as they were
select set_config('role', 'none', true), set_config('search_path', $1::text, true), set_config('statement_timeout', $2::text, true),
	set_config('plan_cache_mode', $3::text, true), set_config('enable_seqscan', $4::text, true)
