-- Takes back limit and weight of a scope's key.
-- $1 scope, $2 key
select drover.clear_limit($1, $2) as changed
