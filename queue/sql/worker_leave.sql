-- A worker that has released everything says goodbye. What it could not release is for rescue, which needs its row.
-- $1 worker id
with owing as (
	update drover.workers w set lease_until = now()
	where w.id = $1::uuid and exists (select from public.agent_requests r where r.worker_id = w.id and r.phase = 'running')
)
delete from drover.workers w
where w.id = $1::uuid and not exists (select from public.agent_requests r where r.worker_id = w.id and r.phase = 'running')
