-- An operator's decision on a proposal; no row = it is not there, decided is null when it is too late for one.
-- $1 id, $2 approved or rejected, $3 note or null
select p.status, p.kind, p.request_id, case when p.status = 'open' and p.expires_at > clock_timestamp()
	then drover.decide_proposal(p.id, $2, $3) end as decided
from public.change_proposals p where p.id = $1::bigint
