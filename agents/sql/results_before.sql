-- What the siblings that a child depends on have found.
-- $1 request id
select s.type, s.request, s.status, s.result ->> 'answer' as answer, s.error
from public.agent_requests r join public.agent_requests s on s.id = any (r.depends_on)
where r.id = $1::bigint order by s.id
