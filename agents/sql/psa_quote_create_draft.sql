-- A new draft without lines. What is not said comes from the project or the customer.
-- $1 workspace or null, $2 project code or null, $3 customer or null, $4 title, $5 currency or null,
-- $6 price list or null, $7 price date or null, $8 valid until or null, $9 request
with w as (
	select k.id, psa.find(k.id, 'projects', $2::text) as project_id,
		psa.find(k.id, 'customers', $3::text) as customer_id
	from (select psa.here($1::uuid, true) as id) k
), terms as (
	select w.id, w.project_id, c.id as customer_id, c.name as customer, p.code as project,
		coalesce(upper($5::text)::bpchar, p.currency, c.currency) as currency,
		coalesce($7::date, p.planned_start, psa.today(w.id)) as price_date,
		psa.valid_until(w.id, $8::date) as valid_until
	from w
	left join psa.projects p on p.workspace_id = w.id and p.id = w.project_id
	join psa.customers c on c.workspace_id = w.id and c.id = coalesce(w.customer_id, p.customer_id)
), made as (
	insert into psa.quotes (workspace_id, customer_id, project_id, title, price_list_id, price_date, currency,
		valid_until, source_request_id)
	select t.id, t.customer_id, t.project_id, $4::text, psa.price_list(t.id, $6::text, t.currency, t.price_date),
		t.price_date, t.currency, t.valid_until, $9::bigint
	from terms t
	returning *
)
select m.number, m.title, t.customer, t.project, m.status, l.name as price_list, m.price_date, m.currency,
	m.valid_until, m.version
from made m cross join terms t
join psa.price_lists l on l.workspace_id = m.workspace_id and l.id = m.price_list_id
