-- Puts a request aside for its next attempt (fence first).
-- $1 id, $2 version, $3 wait in milliseconds, $4 error, $5 error_code, $6..$9 tokens: input, output, cache write, cache read, $10 the attempt does not count
update public.agent_requests r
set status = 'queued', phase = 'retry_wait', version = r.version + 1, worker_id = null, attempt = r.attempt - $10::boolean::integer,
	run_at = clock_timestamp() + $3::bigint * interval '1 millisecond', error = $4, error_code = $5,
	input_tokens = r.input_tokens + $6::bigint, output_tokens = r.output_tokens + $7::bigint,
	cache_write_tokens = r.cache_write_tokens + $8::bigint, cache_read_tokens = r.cache_read_tokens + $9::bigint
where r.id = $1::bigint and r.version = $2::integer and r.phase = 'running'
