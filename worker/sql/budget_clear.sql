-- Takes a budget back.
-- $1 scope, $2 key
select drover.clear_budget($1, $2) as changed
