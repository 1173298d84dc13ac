-- First statement of a transaction that ends many runs and writes their log rows: waits for their other writers.
-- $1 ids, $2 their versions
select r.id from unnest($1::bigint[], $2::integer[]) as o (id, version)
join public.agent_requests r on r.id = o.id and r.version = o.version and r.phase = 'running'
order by r.id
for no key update of r
