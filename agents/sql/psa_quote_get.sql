-- One quote with its lines and tax table.
-- $1 workspace or null, $2 quote number
select q.number, q.title, c.name as customer, p.code as project,
	case when q.status = 'sent' and q.valid_until < psa.today(q.workspace_id) then 'expired'
		else q.status end as status,
	l.name as price_list, q.price_date, q.valid_until, q.currency, q.tax_mode, q.discount_bp,
	psa.money(q.lines_minor, q.currency) as lines_total, psa.money(q.net_minor, q.currency) as net,
	psa.money(q.tax_minor, q.currency) as tax, psa.money(q.gross_minor, q.currency) as gross, q.version,
	(select coalesce(jsonb_agg(jsonb_build_object('position', n.position, 'kind', n.kind, 'role', r.name,
			'description', n.description, 'qty_milli', n.qty_milli, 'unit', n.unit,
			'unit_price', psa.money(n.unit_price_minor, q.currency), 'discount_bp', n.discount_bp,
			'net', psa.money(n.net_minor, q.currency), 'tax_code', n.tax_code) order by n.position), '[]')
		from psa.quote_lines n left join psa.roles r on r.workspace_id = n.workspace_id and r.id = n.role_id
		where n.workspace_id = q.workspace_id and n.quote_id = q.id) as lines,
	(select coalesce(jsonb_agg(jsonb_build_object('category', t.tax_category, 'rate_bp', t.tax_rate_bp,
			'base', psa.money(t.base_minor, q.currency), 'tax', psa.money(t.tax_minor, q.currency))
			order by t.tax_category, t.tax_rate_bp), '[]')
		from psa.quote_taxes(q) t) as taxes
from psa.quotes q
join psa.customers c on c.workspace_id = q.workspace_id and c.id = q.customer_id
join psa.price_lists l on l.workspace_id = q.workspace_id and l.id = q.price_list_id
left join psa.projects p on p.workspace_id = q.workspace_id and p.id = q.project_id
where q.workspace_id = psa.here($1::uuid) and q.id = psa.find(psa.here($1), 'quotes', $2::text)
