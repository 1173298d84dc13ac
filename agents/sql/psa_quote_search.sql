-- Quotes of the workspace whose number, title, customer or project contains a word.
-- $1 workspace or null, $2 word or null, $3 status or null (expired: sent and no longer valid),
-- $4 last valid_until or null
select q.number, q.title, c.name as customer, p.code as project, s.status, psa.money(q.net_minor, q.currency) as net,
	psa.money(q.gross_minor, q.currency) as gross, q.valid_until, q.version
from psa.quotes q
join psa.customers c on c.workspace_id = q.workspace_id and c.id = q.customer_id
left join psa.projects p on p.workspace_id = q.workspace_id and p.id = q.project_id
cross join lateral (select case when q.status = 'sent' and q.valid_until < psa.today(q.workspace_id)
	then 'expired' else q.status end as status) s
where q.workspace_id = psa.here($1::uuid)
	and ($2::text is null or
		position(lower($2) in lower(concat_ws(' ', q.number, q.title, c.name, p.code, p.name))) > 0)
	and ($3::text is null or s.status = $3)
	and ($4::date is null or q.valid_until <= $4)
order by q.number desc
limit 50
