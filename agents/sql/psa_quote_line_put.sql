-- Puts lines on a draft, by position: new ones are added, those there are replaced. The database sets the prices.
-- $1 workspace or null, $2 quote number, $3 version seen, $4 lines as JSON array of
-- { position, kind, role, description, minutes, qty_milli, tax_code }, $5 request
with open as (
	select w.id as workspace_id, psa.edit_quote(w.id, $2::text, $3::int) as id
	from (select psa.here($1::uuid, true) as id) w
), lines as (
	select q.workspace_id, q.id as quote_id, n.*, r.id as role_id, case when n.minutes > 0
		then psa.minutes_to_qty(n.minutes, (psa.rate_at(q.workspace_id, q.price_list_id, r.id, q.price_date)).unit)
		else n.qty_milli end as quantity
	from open o
	join psa.quotes q on q.workspace_id = o.workspace_id and q.id = o.id
	cross join jsonb_to_recordset($4::jsonb) as n(position int, kind text, role text, description text, minutes bigint,
		qty_milli bigint, tax_code text)
	cross join lateral (select psa.find(q.workspace_id, 'roles', n.role) as id) r
)
insert into psa.quote_lines (workspace_id, quote_id, position, kind, role_id, description, qty_milli, tax_code,
	source_request_id)
select l.workspace_id, l.quote_id, l.position, l.kind, l.role_id, l.description, l.quantity, l.tax_code, $5::bigint
from lines l
on conflict (workspace_id, quote_id, position) do update set
	kind = excluded.kind, role_id = excluded.role_id, description = excluded.description,
	qty_milli = excluded.qty_milli, tax_code = excluded.tax_code
