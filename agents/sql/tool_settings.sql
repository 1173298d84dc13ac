-- The settings that a tool's statement has its own of, as they are before.
select current_setting('search_path') as search_path, current_setting('statement_timeout') as statement_timeout,
	current_setting('plan_cache_mode') as plan_cache_mode, current_setting('enable_seqscan') as enable_seqscan
