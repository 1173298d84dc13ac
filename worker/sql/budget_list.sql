-- Budgets with what is spent of them: rows of drover.budgets, and the options' where no row * names another.
-- $1 scope, $2 key (null = any), $3 default budgets
select b.scope, b.key, b.max_tokens, b.max_cost_micros, b.set_by, coalesce(s.tokens, r.tokens) as tokens,
	coalesce(s.cost_micros, r.cost_micros) as cost_micros
from (
	select o.scope, o.key, o.max_tokens, o.max_cost_micros, 'row' as set_by from drover.budgets o
	union all
	select d.scope, '*', case when e.max_tokens is null then (d.most ->> 'tokens')::bigint end,
		case when e.max_cost_micros is null then (d.most ->> 'cost')::bigint end, 'option'
	from jsonb_each($3::jsonb) as d (scope, most) left join drover.budgets e on e.scope = d.scope and e.key = '*'
	where (e.max_tokens is null and d.most ? 'tokens') or (e.max_cost_micros is null and d.most ? 'cost')
) b
left join drover.spending s on s.scope = b.scope and s.key = b.key and s.day in (drover.today(), 'infinity')
left join lateral (select q.input_tokens + q.output_tokens + q.cache_write_tokens + q.cache_read_tokens as tokens, q.cost_micros
	from public.agent_requests q where q.id = case when b.scope = 'request' and b.key <> '*' then b.key::bigint end) r on true
where ($1::text is null or b.scope = $1) and ($2::text is null or b.key = $2)
order by b.scope, b.key = '*', b.key, b.set_by desc
