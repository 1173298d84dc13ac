-- Model calls: what each took is kept with its turn; what a session remembers.
-- Locks: ACCESS EXCLUSIVE on agent_turns, agent_sessions while their columns are added.
alter table public.agent_turns
	add column model text,
	add column usage jsonb,
	add column cost_micros bigint;
comment on column public.agent_turns.model is 'On the last block of a model turn: the model that answered.';
comment on column public.agent_turns.usage is 'On the last block of a model turn: {input_tokens, output_tokens, cache_write_tokens, cache_read_tokens}.';
comment on column public.agent_turns.cost_micros is 'On the last block of a model turn: its cost in millionths of the currency of the price table.';

comment on column public.agent_turns.role is 'assistant: from the model; tool: a tool''s result; user: what Drover told the model in the user''s place.';
comment on column public.agent_turns.content_type is 'text, thinking, tool_call, tool_result; other: a block that only the provider understands, or, with block null, a row that only ends a turn whose blocks were there before its end.';
comment on column public.agent_turns.stop_reason is 'On the last row of a model turn: why the model stopped, as the provider says it; broken: the turn broke off before anything that could be sent back.';

-- ---- what a session remembers ----

-- The session's row is written whenever a request of it begins, so that a list in it costs nothing more. An index on
-- ended requests would cost every end of every request, also of those that ask no model; agent_turns knows no request
-- that failed before its first block, and agent_logs has too many rows of each.
alter table public.agent_sessions add column recent bigint[] not null default '{}';
comment on column public.agent_sessions.recent is 'The newest requests that began in the session, children aside: what a later one may be told of. At most 100.';

create function drover.session_recent(known bigint[], more bigint[]) returns bigint[]
	language sql immutable set search_path = pg_catalog, pg_temp as $$
	select case when more <@ known then known
		-- half at once: what is told of a session changes at its beginning only now and then, for the provider's cache
		when cardinality(known) >= 100 then known[cardinality(known) - 49 :] || more
		else known || more end
$$;
comment on function drover.session_recent(bigint[], bigint[]) is 'The list of a session''s requests with one more.';

create function drover.session_history(of_request bigint, most integer) returns table (id bigint, as_it_was boolean)
	language sql stable set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
	with past as (
		select h.id, h.type = r.type and h.status = 'completed' as as_it_was, row_number() over (order by h.id) as nth,
			count(*) over () as n
		from public.agent_requests r
		join public.agent_sessions s on s.id = r.session_id
		join public.agent_requests h on h.id = any (s.recent)
		where r.id = of_request and most > 0 and h.id < r.id and h.session_id = r.session_id and h.parent_id is null
			and h.user_id is not distinct from r.user_id -- the server may put several users into one session
			and h.finished_at is not null
	)
	-- Of too many the older ones are left out some at a time: else each request would begin with other words.
	select p.id, p.as_it_was from past p
	where p.n <= most or p.nth > (p.n - most + greatest(most / 2, 1) - 1) / greatest(most / 2, 1) * greatest(most / 2, 1)
$$;
comment on function drover.session_history(bigint, integer) is 'The requests of its session that a request is told of: those of its user before it that began and have ended, the newest, at most so many. as_it_was: their conversation goes back block for block, since they were of the same type and completed.';

-- ---- causes of the agent runtime: each is filled in where its tables are made ----

create function drover.why_people(r public.agent_requests) returns setof jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select null::jsonb where false
$$;
comment on function drover.why_people(public.agent_requests) is 'Proposals and questions that a request waits for.';

create function drover.why_lanes(r public.agent_requests) returns setof jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select null::jsonb where false
$$;
comment on function drover.why_lanes(public.agent_requests) is 'Lanes of models that are paused while a request runs.';

create or replace function drover.why(of_request bigint, defaults jsonb) returns setof jsonb
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
			union all select 1, c from drover.why_people(r) c
			union all select 1, c from drover.why_lanes(r) c
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

revoke execute on all functions in schema drover from public;
grant insert (recent), update (recent) on public.agent_sessions to drover_worker;
grant execute on function drover.session_recent(bigint[], bigint[]), drover.session_history(bigint, integer),
	drover.why_people(public.agent_requests), drover.why_lanes(public.agent_requests) to drover_worker;
