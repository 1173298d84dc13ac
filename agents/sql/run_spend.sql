-- Counts a model call in its request and in every budget, and is the fence.
-- $1 request id, $2 claimed version, $3 input, $4 output, $5 cache write, $6 cache read tokens, $7 cost in micro-units
select drover.spend($1::bigint, $2::integer, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint)
