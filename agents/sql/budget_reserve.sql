-- Reserves what a model call may spend, in every budget of its request.
-- $1 request id, $2 claimed version, $3 input and $4 output tokens at most, $5 least and $6 most cost in micro-units, $7 default budgets
select * from drover.reserve($1::bigint, $2::integer, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::jsonb)
