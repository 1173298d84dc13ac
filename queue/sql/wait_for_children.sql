-- Notes agent and tokens of a run that will wait (fence first; spawn_children or wait_for_people follows).
-- $1 id, $2 version, $3 agent, $4..$7 tokens: input, output, cache write, cache read
update public.agent_requests r
set agents_involved = case when $3 = any (r.agents_involved) then r.agents_involved else array[$3] || r.agents_involved end,
	input_tokens = r.input_tokens + $4::bigint, output_tokens = r.output_tokens + $5::bigint,
	cache_write_tokens = r.cache_write_tokens + $6::bigint, cache_read_tokens = r.cache_read_tokens + $7::bigint
where r.id = $1::bigint and r.version = $2::integer and r.phase = 'running'
