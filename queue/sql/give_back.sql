-- Gives back what this worker owns but does not know of: the answer of its claim was lost. They never ran.
-- $1 worker id, $2 ids that it knows
with back as (
	update public.agent_requests r
	set status = 'queued', phase = 'ready', version = r.version + 1, attempt = r.attempt - 1, worker_id = null
	where r.worker_id = $1::uuid and r.status = 'processing' and r.phase = 'running' and r.id <> all ($2::bigint[])
	returning r.id
)
select drover.after_run(back.id) from back
