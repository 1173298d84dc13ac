-- One request, as its row is, and its times as numbers.
-- $1 id
select to_json(r) as row, r.id, r.type, r.status, r.phase, r.session_id, r.user_id, r.workspace_id, r.parent_id,
	r.priority, r.dry_run, exists (select from drover.cancels c where c.request_id = r.id) as cancel_requested, r.attempt, r.request, nullif(r.context, '{}') as context, r.result,
	r.error, r.error_code, array_to_string(r.agents_involved, ', ') as agents, r.input_tokens, r.output_tokens,
	r.cache_write_tokens, r.cache_read_tokens, r.cost_micros, r.waits_on,
	(extract(epoch from r.created_at) * 1000)::bigint as created_ms,
	(extract(epoch from coalesce(r.started_at, r.finished_at, now()) - r.created_at) * 1000)::bigint as waited_ms,
	(extract(epoch from coalesce(r.finished_at, now()) - r.started_at) * 1000)::bigint as ran_ms,
	(extract(epoch from r.run_at - now()) * 1000)::bigint as due_ms,
	(select string_agg(format(case p.kind when 'question' then 'an answer (proposal %s)' else 'a decision on %2$s (proposal %1$s)' end,
		p.id, p.tool_name), ', ' order by p.id) from public.change_proposals p where p.request_id = r.id and p.status = 'open') as asks,
	(select format('%s:%s', w.host, w.pid) from drover.workers w where w.id = r.worker_id) as worker
from public.agent_requests r where r.id = $1::bigint
