-- What only time brings, done by any worker for all.
-- $1 how many at most, $2 last key looked at, $3 last session looked at, $4 default limits
select * from drover.upkeep($1::integer, $2, $3::uuid, $4::jsonb)
