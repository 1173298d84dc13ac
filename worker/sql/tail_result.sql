-- How a request ended.
-- $1 id
select r.id, r.session_id, r.type, r.status, r.phase, r.result, r.error, r.error_code, r.processing_time_ms
from public.agent_requests r where r.id = $1::bigint
