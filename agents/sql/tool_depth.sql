-- How many requests stand above one: 0 = the app made it.
-- $1 request id
with recursive above as (
	select r.parent_id, 0 as n from public.agent_requests r where r.id = $1::bigint
	union all
	select r.parent_id, a.n + 1 from above a join public.agent_requests r on r.id = a.parent_id where a.n < 100
)
select max(a.n) as depth from above a
