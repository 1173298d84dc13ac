-- Gives a request back as it was: the attempt does not count (fence first).
-- $1 id, $2 version, $3..$6 tokens: input, output, cache write, cache read
update public.agent_requests r
set status = 'queued', phase = 'ready', version = r.version + 1, attempt = r.attempt - 1, worker_id = null,
	input_tokens = r.input_tokens + $3::bigint, output_tokens = r.output_tokens + $4::bigint,
	cache_write_tokens = r.cache_write_tokens + $5::bigint, cache_read_tokens = r.cache_read_tokens + $6::bigint
where r.id = $1::bigint and r.version = $2::integer and r.phase = 'running'
