-- Takes over what dead workers owned: ready again, or failed when it has been started too often. What a transaction of
-- the dead still holds is left, and its worker's row with it, for the next time.
-- $1 how many starts a request may have, $2 how many at most
with dead as materialized (
	select w.id, w.host, w.pid from drover.workers w where w.lease_until <= now() for update skip locked
), lost as materialized (
	select r.id, dead.host, dead.pid
	from dead join public.agent_requests r on r.worker_id = dead.id and r.phase = 'running'
	limit $2::integer
	for update of r skip locked
), taken as (
	update public.agent_requests r
	set version = r.version + 1, worker_id = null,
		status = case when r.cancel_requested or r.attempt >= $1::integer then 'failed' else 'queued' end,
		phase = case when r.cancel_requested then 'cancelled' when r.attempt >= $1::integer then 'failed' else 'ready' end,
		error_code = case when r.cancel_requested then 'cancelled' else 'worker_lost' end,
		error = case when r.cancel_requested then 'cancelled while its worker was lost'
			else format('worker %s:%s was lost in attempt %s', lost.host, lost.pid, r.attempt) end,
		finished_at = case when r.cancel_requested or r.attempt >= $1::integer then clock_timestamp() end,
		processing_time_ms = case when r.cancel_requested or r.attempt >= $1::integer
			then least(extract(epoch from clock_timestamp() - r.started_at) * 1000, 2147483647) else r.processing_time_ms end
	from lost where r.id = lost.id
	returning r.id, r.status, r.error, r.error_code
), gone as (
	delete from drover.workers w using dead
	where w.id = dead.id and not exists (select from public.agent_requests r
		where r.worker_id = w.id and r.phase = 'running' and r.id not in (select lost.id from lost))
	returning w.id
)
select t.id, t.status = 'failed' as failed, t.error, t.error_code, (select count(*) from gone) as workers from taken t
