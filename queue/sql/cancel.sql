-- Ends an open request and its children.
-- $1 id
select r.id, r.status, drover.end_request(r.id, 'cancelled', 'cancelled', 'cancelled') as cancelled
from public.agent_requests r where r.id = $1::bigint
