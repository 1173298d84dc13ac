-- Makes a failed request ready again, with a fresh count of attempts.
-- $1 id
select r.id, r.status, r.parent_id, o.outcome, o.outcome = 'again' as again
from public.agent_requests r cross join lateral (select drover.retry(r.id) as outcome) o
where r.id = $1::bigint
