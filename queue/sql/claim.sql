-- Claims ready requests, in order of (priority, id), one running request a session; children run in their parent's place.
-- A request that waits for its run_at holds back nobody. A worker whose lease has run out gets nothing.
-- $1 worker id, $2 how many at most
with owner as materialized ( -- locked: it cannot be taken for dead while it takes
	select w.id from drover.workers w where w.id = $1::uuid and w.lease_until > now() for key share
), head as materialized (
	select r.id, r.status = 'processing' as resumed
	from public.agent_requests r
	where r.phase = 'ready' and exists (select from owner)
		and (r.parent_id is not null or (
			not exists (select from public.agent_requests b where b.session_id = r.session_id and b.parent_id is null
				and b.status = 'processing' and b.id <> r.id)
			and not exists (select from public.agent_requests b where b.session_id = r.session_id and b.parent_id is null
				and b.status = 'queued' and b.phase <> 'scheduled'
				and (b.session_id, b.id) < (r.session_id, r.id)))) -- as a row, so that no other index can serve it
	order by r.priority, r.id
	limit $2::integer
	for update of r skip locked
), claimed as (
	update public.agent_requests r
	set status = 'processing', phase = 'running', version = r.version + 1, attempt = r.attempt + 1, worker_id = $1::uuid,
		started_at = coalesce(r.started_at, clock_timestamp()), error = null, error_code = null
	where r.id = any (array(select head.id from head)) -- a join might be planned to read all that ever ran
	returning r.*
)
select c.id, c.version, c.attempt, c.type, c.request, c.context, c.session_id, c.user_id, c.workspace_id, c.dry_run,
	c.parent_id is not null as is_child, drover.last_seq(c.id) as last_seq,
	(select head.resumed from head where head.id = c.id) as resumed
from claimed c
order by c.priority, c.id
