-- After release or retry_later, in its transaction: who was told to stop does not wait for another attempt.
-- $1 id
select drover.end_request(r.id, 'cancelled', 'cancelled', 'cancelled')
from public.agent_requests r where r.id = $1::bigint and r.cancel_requested
