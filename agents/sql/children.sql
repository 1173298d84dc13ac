-- The children of a request and what became of them; of a retried one without those that no sibling outlived: they are made anew.
-- $1 request id
select c.type, c.request, c.status, c.result::text as result, c.result ->> 'answer' as answer, c.error, c.error_code
from public.agent_requests c where c.parent_id = $1::bigint
	and (c.phase <> 'superseded' or exists (select from public.agent_requests s -- made together, in one transaction
		where s.parent_id = $1 and s.created_at = c.created_at and s.phase <> 'superseded'))
order by c.id
