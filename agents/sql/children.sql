-- The children of a request and what became of them.
-- $1 request id
select c.type, c.request, c.status, c.result::text as result, c.result ->> 'answer' as answer, c.error, c.error_code
from public.agent_requests c where c.parent_id = $1::bigint order by c.id
