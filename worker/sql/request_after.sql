-- How a request stands after something was done to it.
-- $1 id
select r.id, r.status, r.phase, exists (select from drover.cancels c where c.request_id = r.id) as cancel_requested, r.parent_id from public.agent_requests r where r.id = $1::bigint
