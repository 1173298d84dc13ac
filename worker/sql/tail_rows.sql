-- New log rows of the requests that are followed and of all their children, in order of writing.
-- $1 request ids; $2 ids of those whose rows were seen, $3 the last seq seen of each; $4 how many rows at most
with recursive family as (
	select r.id from public.agent_requests r where r.id = any ($1::bigint[])
	union
	select c.id from family f join public.agent_requests c on c.parent_id = f.id
)
select l.request_id, l.seq, l.attempt, l.agent_name, l.kind, l.message, l.data,
	(extract(epoch from l."timestamp") * 1000)::bigint as at_ms, to_json(l) as row
from family f
left join unnest($2::bigint[], $3::integer[]) as seen (id, seq) on seen.id = f.id
join public.agent_logs l on l.request_id = f.id and l.seq > coalesce(seen.seq, 0)
order by l.id limit $4::integer
