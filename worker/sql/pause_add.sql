-- Pauses a scope's key.
-- $1 scope, $2 key, $3 why
select drover.pause($1, $2, $3) as changed
