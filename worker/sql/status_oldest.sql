-- The request that has been ready for a worker longest.
select r.id, r.type, r.session_id, (extract(epoch from now() - r.created_at) * 1000)::bigint as waiting_ms
from public.agent_requests r
where r.phase = 'ready'
order by r.created_at, r.id limit 1
