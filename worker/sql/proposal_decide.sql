-- An operator's decision on a proposal; no row = it is not there, decided is null when it is too late for one.
-- $1 id, $2 approved or rejected, $3 note or null
select p.status, p.kind, p.request_id, q.needs_answer, case when p.status = 'open' and p.expires_at > clock_timestamp() and not q.needs_answer
	then drover.decide_proposal(p.id, $2, $3) end as decided
from public.change_proposals p
cross join lateral (select p.kind = 'question' and p.status = 'open' and $2 = 'approved' and coalesce(btrim($3), '') = '' as needs_answer) q
where p.id = $1::bigint
