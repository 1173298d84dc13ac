-- What happened to a request, in order: its own times, attempts, notes of the queue, turns, tools, what people were asked.
-- $1 id
with happened as (
	select r.created_at as at, 0 as rank, null::integer as attempt, 'created' as event, r.type as what,
		null::text as status, null::bigint as tokens, null::bigint as duration_ms
	from public.agent_requests r where r.id = $1::bigint
	union all
	select r.started_at, 1, null, 'started', null, null, null, null
	from public.agent_requests r where r.id = $1 and r.started_at is not null
	union all
	select least(min(l."timestamp"), -- log rows are written a moment later than turns and tools
			(select min(t.created_at) from public.agent_turns t where t.request_id = $1 and t.attempt = l.attempt),
			(select min(x.created_at) from public.tool_executions x where x.request_id = $1 and x.attempt = l.attempt)),
		2, l.attempt, 'attempt', min(l.agent_name) filter (where l.agent_name <> 'drover'),
		null, null, null
	from public.agent_logs l where l.request_id = $1 and l.attempt > 0 group by l.attempt
	union all
	select case when l.message like 'goes on: %' then least(l."timestamp", -- so does the first that it did
			(select min(t.created_at) from public.agent_turns t where t.request_id = $1 and t.created_at > l.before),
			(select min(x.created_at) from public.tool_executions x where x.request_id = $1 and x.created_at > l.before))
		else l."timestamp" end, 3, l.attempt, 'note', l.message, l.kind, null, null
	from (select o.*, lag(o."timestamp") over (order by o.seq) as before from public.agent_logs o where o.request_id = $1) l
	where l.kind in ('status', 'error') and l.message not in (format('attempt %s', l.attempt), 'cancelled')
	union all
	select t.created_at, 4, t.attempt, 'turn',
		(row_number() over (order by t.sequence_number))::text, t.stop_reason, t.tokens_used, null
	from public.agent_turns t where t.request_id = $1 and t.stop_reason is not null
	union all
	select x.created_at, 5, x.attempt, 'tool', x.tool_name,
		case when x.status = 'started' and r.finished_at is not null then 'started, its outcome is not known' else x.status end,
		null, case when x.status in ('done', 'refused', 'dry_run') then nullif(x.duration_ms, 0) end
	from public.tool_executions x join public.agent_requests r on r.id = x.request_id where x.request_id = $1
	union all
	select c.created_at, 6, null, 'child', format('%s %s', c.id, c.type), null, null, null
	from public.agent_requests c where c.parent_id = $1
	union all
	select p.created_at, 6, null, 'asked', format('%s %s of %s', p.kind, p.id, p.tool_name), null, null, null
	from public.change_proposals p where p.request_id = $1
	union all
	select p.decided_at, 6, null, p.status, concat_ws(': ', format('%s %s of %s', p.kind, p.id, p.tool_name), coalesce(p.answer, p.note)),
		null, null, null
	from public.change_proposals p where p.request_id = $1 and p.decided_at is not null
	union all
	select r.finished_at, 7, null, r.phase, nullif(r.error_code, r.phase), r.status, null, null
	from public.agent_requests r where r.id = $1 and r.finished_at is not null
)
select h.at, (extract(epoch from h.at - min(h.at) over ()) * 1000)::bigint as after_ms, h.attempt, h.event, h.what,
	h.status, h.tokens, h.duration_ms
from happened h
order by h.at, h.rank limit 1000
