-- Sets limit and weight of a scope's key.
-- $1 scope, $2 key, $3 how many at once (null = as it is), $4 weight (null = as it is)
select drover.set_limit($1, $2, $3::integer, $4::integer)
