-- Writes the end of a request that this worker owns (fence first), and lets go on what waited for it.
-- $1 id, $2 version, $3 status, $4 phase, $5 result, $6 error, $7 error_code, $8 agent, $9..$12 tokens: input, output, cache write, cache read
update public.agent_requests r
set status = $3, phase = $4, result = $5::jsonb, error = $6, error_code = $7,
		agents_involved = case when $8 = any (r.agents_involved) then r.agents_involved else array[$8] || r.agents_involved end,
		input_tokens = r.input_tokens + $9::bigint, output_tokens = r.output_tokens + $10::bigint,
		cache_write_tokens = r.cache_write_tokens + $11::bigint, cache_read_tokens = r.cache_read_tokens + $12::bigint,
		worker_id = null, waits_on = 0, finished_at = clock_timestamp(),
		processing_time_ms = least(extract(epoch from clock_timestamp() - r.started_at) * 1000, 2147483647)
where r.id = $1::bigint and r.version = $2::integer and r.phase = 'running'
