-- Claims ready requests in order; one row without id when there is none.
-- $1 worker id, $2 how many at most, $3 floor: priority, $4 floor: id (0 = none), $5 default limits, $6 fair order, $7 last tenant
select * from drover.claim($1::uuid, $2::integer, $3::integer, $4::bigint, $5::jsonb, $6::boolean, $7::uuid)
