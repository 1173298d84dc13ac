-- Projects of the workspace whose code, name or customer contains a word.
-- $1 workspace or null, $2 word or null, $3 status or null, $4 limit or 0
select p.code, p.name, c.name as customer, p.status, p.planned_start, p.planned_finish,
	psa.money(p.budget_minor, p.currency) as budget, p.version
from psa.projects p
join psa.customers c on c.workspace_id = p.workspace_id and c.id = p.customer_id
where p.workspace_id = psa.here($1::uuid)
	and ($2::text is null or position(lower($2) in lower(p.code || ' ' || p.name || ' ' || c.name)) > 0)
	and ($3::text is null or p.status = $3)
order by p.code
limit coalesce(nullif($4::bigint, 0), 50)
