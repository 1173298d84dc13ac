-- Why a request does not run: what the claim asks of all candidates, asked of one request, with a name for each answer.
-- Locks: none on existing tables.
create function drover.cause(name text, since timestamptz, due timestamptz, more jsonb) returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select jsonb_strip_nulls(jsonb_build_object('cause', name,
		'since', since, 'for_ms', (extract(epoch from clock_timestamp() - since) * 1000)::bigint,
		'due', date_trunc('second', due), 'due_ms', (extract(epoch from due - clock_timestamp()) * 1000)::bigint) || more)
$$;
comment on function drover.cause(text, timestamptz, timestamptz, jsonb) is 'One cause of drover.why, with its times as numbers.';

-- ---- its own state ----

create function drover.why_runs(r public.agent_requests) returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select drover.cause(case when w.lease_until > clock_timestamp() then 'running' else 'lost' end,
		coalesce((select min(l."timestamp") from public.agent_logs l where l.request_id = r.id and l.attempt = r.attempt), r.started_at), null,
		jsonb_build_object('worker', w.host || ':' || w.pid, 'worker_id', r.worker_id, 'attempt', r.attempt, 'draining', w.draining,
			'heartbeat_ms', (extract(epoch from clock_timestamp() - w.heartbeat_at) * 1000)::bigint,
			'lease_ms', (extract(epoch from w.lease_until - clock_timestamp()) * 1000)::bigint))
	from (select r.worker_id as id) owner left join drover.workers w on w.id = owner.id
$$;
comment on function drover.why_runs(public.agent_requests) is 'Where a request in phase running is; cause lost when its worker''s lease has run out.';

create function drover.why_waits(r public.agent_requests) returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select drover.cause(case r.phase when 'waiting_children' then 'children' else 'siblings' end, null, null, jsonb_build_object(
		'n', count(*), 'ids', (array_agg(c.id order by c.id))[1:10]))
	from public.agent_requests c
	where c.parent_id = case r.phase when 'waiting_children' then r.id else r.parent_id end
		and (r.phase = 'waiting_children' or c.id = any (r.depends_on)) and c.status in ('queued', 'processing')
$$;
comment on function drover.why_waits(public.agent_requests) is 'For which children or siblings a request waits.';

create function drover.why_state(r public.agent_requests) returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select case
		when r.status in ('completed', 'failed') then drover.cause('ended', r.finished_at, null,
			jsonb_build_object('phase', r.phase, 'parent', r.parent_id, 'error', r.error, 'code', r.error_code))
		when r.phase = 'running' then drover.why_runs(r)
		when r.phase in ('scheduled', 'retry_wait') then
			drover.cause(case when r.run_at <= clock_timestamp() then 'due' else r.phase end, null, r.run_at, case r.phase
				when 'retry_wait' then jsonb_build_object('attempt', r.attempt, 'error', r.error, 'code', r.error_code) else '{}' end)
		when r.phase in ('waiting_children', 'waiting_dependencies') then drover.why_waits(r)
		when r.phase not in ('ready', 'blocked') then drover.cause('phase', null, null, jsonb_build_object('phase', r.phase)) end
$$;
comment on function drover.why_state(public.agent_requests) is 'The cause that lies in a request itself; null when it waits for its turn.';

-- ---- what the claim asks ----

create function drover.why_stops(r public.agent_requests) returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select drover.cause('stopping', c.created_at, null, jsonb_build_object('phase', c.phase, 'error', c.why))
	from drover.cancels c where c.request_id = r.id and r.status in ('queued', 'processing')
$$;
comment on function drover.why_stops(public.agent_requests) is 'That a request was told to stop and has not ended yet.';

create function drover.why_no_worker() returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select drover.cause('no_worker', max(w.lease_until) filter (where w.lease_until <= clock_timestamp()), null, jsonb_build_object(
		'reason', case when count(*) = 0 then 'none' when bool_or(w.lease_until > clock_timestamp()) then 'draining' else 'lost' end,
		'n', count(*) filter (where w.lease_until > clock_timestamp() or not exists (
			select from drover.workers l where l.lease_until > clock_timestamp()))))
	from drover.workers w having not coalesce(bool_or(w.lease_until > clock_timestamp() and not w.draining), false)
$$;
comment on function drover.why_no_worker() is 'That no worker claims: there is none, all are draining, or all leases have run out.';

create function drover.why_session(r public.agent_requests) returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select drover.cause('session', coalesce(b.started_at, b.created_at), null, jsonb_build_object('on', 'session', 'request', b.id,
		'type', b.type, 'phase', b.phase, 'worker', (select w.host || ':' || w.pid from drover.workers w where w.id = b.worker_id)))
	from (
		select b.* from public.agent_requests b
			where b.session_id = r.session_id and b.parent_id is null and b.status = 'processing'
		union all
		(select b.* from public.agent_requests b
			where b.session_id = r.session_id and b.parent_id is null and b.status = 'queued'
				and case when b.phase = 'scheduled' then 1 else 0 end = 0 and b.id < r.id
			order by b.session_id, (case when b.phase = 'scheduled' then 1 else 0 end), b.id limit 1)) b
	where r.parent_id is null and r.status = 'queued'
	order by b.status limit 1
$$;
comment on function drover.why_session(public.agent_requests) is 'The request that stands before another in its session: the one that runs, else the first in line.';

create function drover.why_limits(r public.agent_requests, defaults jsonb) returns setof jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select case kind.name
		when 'paused' then (select drover.cause('paused', l.paused_at, null, s.names || jsonb_build_object('row', l.key, 'why', l.paused_why))
			from drover.limits l where l.scope = s.scope and l.key in (s.key, '*') order by l.key = '*' limit 1)
		else drover.cause('limit', null, null, s.names || jsonb_build_object('most', x.most, 'n', x.running,
			'row', (select l.key from drover.limits l
				where l.scope = s.scope and l.key in (s.key, '*') and l.max_running is not null order by l.key = '*' limit 1),
			'ids', array(select p.request_id from drover.permits p where p.key = s.name order by p.request_id limit 10))) end
	from (select v.*, drover.permit_key(v.scope, v.key) as name,
			jsonb_build_object('on', drover.permit_key(v.scope, v.key), 'scope', v.scope, 'key', v.key) as names
		from (values (1, 'all', ''), (2, 'type', r.type), (3, 'workspace', r.workspace_id::text), (4, 'user', r.user_id::text))
			as v (nth, scope, key) where v.key is not null) s
	cross join lateral (select drover.is_paused(s.scope, s.key) as paused, drover.max_running(s.scope, s.key, defaults) as most,
		drover.running_under(s.name) as running) x
	cross join (values (1, 'paused'), (2, 'limit')) as kind (nth, name)
	where drover.room(s.scope, s.key, defaults) = 0 and case kind.name when 'paused' then x.paused else x.most <= x.running end
	order by s.nth, kind.nth
$$;
comment on function drover.why_limits(public.agent_requests, jsonb) is 'Pauses and full limits that a request is under, in the order in which the claim asks.';

create function drover.why(of_request bigint, defaults jsonb) returns setof jsonb
	language plpgsql stable set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	r public.agent_requests;
	in_turn boolean; -- a claim may look at it, or soon
begin
	select q.* into r from public.agent_requests q where q.id = of_request;
	in_turn := r.phase in ('ready', 'blocked') or (r.phase in ('scheduled', 'retry_wait') and r.run_at <= clock_timestamp());
	return query
		with found (rank, c) as (
			select case when r.phase = 'running' then 0 else 2 end, drover.why_state(r)
			union all select 1, drover.why_stops(r)
			union all select 3, drover.why_no_worker() where in_turn or r.phase in ('scheduled', 'retry_wait')
			union all select 6, drover.why_session(r) where in_turn
			union all select case c ->> 'on' when 'all' then 5 else 7 end, c from drover.why_limits(r, defaults) c
				where in_turn or (r.status in ('queued', 'processing') and r.phase <> 'running' and c ->> 'cause' = 'paused')
		), causes as (
			select case when f.c ->> 'on' = r.blocked_on then 4 else f.rank end as rank, row_number() over () as nth, f.c
				from found f where f.c is not null
			union all
			select 4, 0, drover.cause('parked', null, null, jsonb_build_object('on', r.blocked_on))
				where r.phase = 'blocked' and not exists (select from found f where f.c ->> 'on' = r.blocked_on)
		)
		select x.c from causes x order by x.rank, x.nth;
end
$$;
comment on function drover.why(bigint, jsonb) is 'All causes for which an open request does not run now, the one that decides first as the first; for one that runs or has ended, that. Cause on: what blocked_on is, or will be after the next claim. None at all: a claim would take it. defaults: as for drover.claim.';

create function drover.count_ahead_fair(r public.agent_requests) returns integer
	language sql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
	select count(*)::integer from (
		(select from public.agent_requests q where q.phase = 'ready' and q.priority < r.priority limit 10000)
		union all
		(select from public.agent_requests q where q.phase = 'ready' and q.priority = r.priority
			and coalesce(q.workspace_id, q.user_id, '00000000-0000-0000-0000-000000000000')
				= coalesce(r.workspace_id, r.user_id, '00000000-0000-0000-0000-000000000000')
			and q.id < r.id limit 10000)) q
	where r.phase = 'ready'
$$;
comment on function drover.count_ahead_fair(public.agent_requests) is 'How many come before a ready request in fair order in any case: those of a better priority, and its own tenant''s; each counted to 10000.';

revoke execute on all functions in schema drover from public;
grant execute on function drover.cause(text, timestamptz, timestamptz, jsonb), drover.why_runs(public.agent_requests),
	drover.why_waits(public.agent_requests), drover.why_state(public.agent_requests), drover.why_stops(public.agent_requests),
	drover.why_no_worker(), drover.why_session(public.agent_requests), drover.why_limits(public.agent_requests, jsonb),
	drover.why(bigint, jsonb), drover.count_ahead(public.agent_requests), drover.count_ahead_fair(public.agent_requests) to drover_worker;
