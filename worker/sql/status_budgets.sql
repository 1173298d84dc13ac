-- The budgets of sessions, users and workspaces that are used most.
-- $1 default budgets, $2 how many
select u.scope, u.key, u.percent, u.tokens, u.max_tokens, u.cost_micros, u.max_cost_micros, u.reserved_tokens, u.reserved_micros
from drover.budgets_used($1::jsonb) u
order by u.percent desc, u.scope, u.key limit $2::integer
