-- Makes a failed request ready again, with a fresh count of attempts.
-- $1 id
with again as (
	update public.agent_requests r
	set status = 'queued', phase = 'ready', version = r.version + 1, attempt = 0, error = null, error_code = null,
		result = null, finished_at = null, run_at = null, cancel_requested = false, waits_on = 0
	where r.id = $1::bigint and r.status = 'failed' and r.parent_id is null
	returning r.id
), woken as (
	select drover.wake() from again
)
select r.id, r.status, r.parent_id, exists (select from again) as again, (select count(*) from woken) as woken
from public.agent_requests r where r.id = $1::bigint
