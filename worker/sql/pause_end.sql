-- Ends a pause, and makes the first of what was parked for it candidates.
-- $1 scope, $2 key
select drover.resume($1, $2) as changed
