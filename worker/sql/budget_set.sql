-- Sets what a scope's key may spend.
-- $1 scope, $2 key, $3 tokens (null = as it is), $4 cost in micro-units (null = as it is)
select drover.set_budget($1, $2, $3::bigint, $4::bigint)
