-- One step: what was parked for a scope's key is a candidate again, as much as has room.
-- $1 scope, $2 key, $3 how many at most
select drover.give_room($1, $2, $3::integer) as n
