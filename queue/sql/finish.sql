-- Writes the ends of requests that this worker owns, and lets go on what waited for them; says which were still owned.
-- Arrays, ids ascending: $1 id, $2 version, $3 status, $4 phase, $5 result, $6 error, $7 error_code, $8 agent, $9..$12 tokens: input, output, cache write, cache read
select f.id from drover.finish($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
	$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]) as f (id)
