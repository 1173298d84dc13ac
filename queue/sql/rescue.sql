-- Takes over what dead workers owned: ready again, or failed when it has been started too often.
-- $1 attempts, $2 crashes a request may have, $3 how many at most
select * from drover.rescue($1::integer, $2::integer, $3::integer)
