-- The one rate of a role on a day, or not_covered with the roles that are.
-- $1 workspace or null, $2 role, $3 currency, $4 day, $5 price list or null
with w as (
	select k.id, psa.find(k.id, 'roles', $2::text) as role_id,
		psa.price_list(k.id, $5::text, upper($3::text)::bpchar, $4::date) as list_id
	from (select psa.here($1::uuid) as id) k
)
select ro.name as role, l.name as price_list, $4 as day, r.id is null as not_covered, r.unit,
	psa.money(r.rate_minor, l.currency) as rate, r.rate_minor, l.currency,
	case when r.id is null then (select jsonb_agg(o.name order by o.name)
		from psa.rates x join psa.roles o on o.workspace_id = x.workspace_id and o.id = x.role_id
		where x.workspace_id = w.id and x.price_list_id = l.id and x.valid @> $4 and l.valid @> $4) end as covered_roles
from w
join psa.price_lists l on l.workspace_id = w.id and l.id = w.list_id
join psa.roles ro on ro.workspace_id = w.id and ro.id = w.role_id
cross join lateral psa.rate_at(w.id, w.list_id, w.role_id, $4) r
