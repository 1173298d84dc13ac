-- Limits and pauses, and the two ends of every run: the claim and the finish.
-- Locks: none on existing tables.
create table drover.limits (
	scope text not null constraint scope_is_known check (scope in ('all', 'type', 'workspace', 'user')),
	key text not null constraint key_fits_scope check ((scope = 'all') = (key = '')),
	max_running integer constraint max_running_0_to_1000000 check (max_running between 0 and 1000000),
	weight integer not null default 1 constraint weight_1_to_1000 check (weight between 1 and 1000),
	paused_at timestamptz,
	paused_why text constraint paused_why_at_most_500_characters check (length(paused_why) <= 500),
	primary key (scope, key)
);
comment on table drover.limits is 'How many requests of a kind may run at once, over all workers; and what is paused. The server''s options give defaults.';
comment on column drover.limits.scope is 'all, type, workspace or user.';
comment on column drover.limits.key is 'Name of the type, or uuid; * = each one that has no row of its own; empty for scope all.';
comment on column drover.limits.max_running is 'At most so many at once. Null = no limit.';
comment on column drover.limits.weight is 'Share of a workspace or user in fair order, against others'' 1.';
comment on column drover.limits.paused_at is 'Since when nothing more of it is claimed. Null = not paused. What runs goes on.';
comment on column drover.limits.paused_why is 'For people: why it is paused.';

create table drover.permits (
	key text not null,
	request_id bigint not null,
	version integer not null,
	primary key (key, request_id)
);
comment on table drover.permits is 'Who takes a place under a limit: written with the claim, gone with the end of the run. A row is void when its request does not run at that version; drover.upkeep finds such.';
comment on column drover.permits.key is 'all, type:NAME, workspace:UUID or user:UUID.';
comment on column drover.permits.request_id is 'The running request.';
comment on column drover.permits.version is 'Its fence.';
create index permits_request on drover.permits (request_id);

create function drover.is_paused(of_scope text, of_key text) returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
	select coalesce((select l.paused_at is not null from drover.limits l
		where l.scope = of_scope and l.key in (of_key, '*') order by l.key = '*' limit 1), false)
$$;
comment on function drover.is_paused(text, text) is 'Whether claims of this type, workspace or user are paused.';

create function drover.max_running(of_scope text, of_key text, defaults jsonb) returns integer
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select coalesce(
		(select l.max_running from drover.limits l where l.scope = of_scope and l.key in (of_key, '*') and l.max_running is not null
			order by l.key = '*' limit 1),
		(defaults ->> of_scope)::integer)
$$;
comment on function drover.max_running(text, text, jsonb) is 'The limit of a scope''s key: its own row, else the row *, else the default. Null = none.';

create function drover.running_under(permit_key text) returns integer language sql stable set search_path = pg_catalog, pg_temp as $$
	select count(*)::integer from drover.permits p where p.key = permit_key
$$;
comment on function drover.running_under(text) is 'How many requests take a place under a limit now.';

create function drover.permit_key(of_scope text, of_key text) returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
	select case when of_scope = 'all' then 'all' else of_scope || ':' || of_key end
$$;
comment on function drover.permit_key(text, text) is 'How a limit is named in permits and in blocked_on.';

create function drover.room(of_scope text, of_key text, defaults jsonb) returns integer
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select case when drover.is_paused(of_scope, of_key) then 0
		when drover.max_running(of_scope, of_key, defaults) is not null -- greatest would make 0 of no limit
			then greatest(drover.max_running(of_scope, of_key, defaults) - drover.running_under(drover.permit_key(of_scope, of_key)), 0) end
$$;
comment on function drover.room(text, text, jsonb) is 'How many more may be claimed under a limit; null = any number.';

-- A lock of a table needs a right; anybody could take an advisory one, and stop all claims with it.
create table drover.counting ();
comment on table drover.counting is 'Empty: locked while places under limits are counted.';
grant update on drover.counting to drover_worker;

create function drover.lock_limits() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	lock table drover.counting in share row exclusive mode;
end
$$;
comment on function drover.lock_limits() is 'Until commit nobody else counts places or gives them back: limits are exact.';

create function drover.unpark_key(parked_key text, at_most integer) returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	n integer;
begin
	update public.agent_requests r set phase = 'ready', blocked_on = null
		where r.id = any (array(select w.id from public.agent_requests w
			where w.phase = 'blocked' and w.blocked_on = parked_key and w.blocked_on <> 'session'
			order by w.blocked_on, w.priority, w.id limit at_most for update skip locked)); -- locked, so it stays as it was seen
	get diagnostics n = row_count;
	if n > 0 then
		perform nextval('drover.returns');
	end if;
	return n;
end
$$;
comment on function drover.unpark_key(text, integer) is 'The next requests that were parked under a limit are candidates again; how many.';

create function drover.return_permits(ended bigint[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	freed record;
begin
	if not exists (select from drover.permits) then -- the rule
		return;
	elsif not exists (select from drover.permits p where p.request_id = any (ended)) then
		return;
	end if;
	perform drover.lock_limits(); -- a claim that has counted us has parked by now
	for freed in
			with gone as (delete from drover.permits p where p.request_id = any (ended) returning p.key)
			select g.key, count(*)::integer as n from gone g group by g.key order by g.key loop
		perform drover.unpark_key(freed.key, freed.n);
	end loop;
end
$$;
comment on function drover.return_permits(bigint[]) is 'After runs have ended: their places go to those who are parked for them.';

create function drover.sweep_parked(after_key text, at_most integer, defaults jsonb, out next_key text, out unparked integer)
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	free integer;
begin
	unparked := 0;
	select w.blocked_on into next_key from public.agent_requests w
		where w.phase = 'blocked' and w.blocked_on <> 'session' and w.blocked_on > after_key order by w.blocked_on limit 1;
	if next_key is not null then
		perform drover.lock_limits();
		free := drover.room(split_part(next_key, ':', 1), substr(next_key, strpos(next_key, ':') + 1), defaults);
		unparked := drover.unpark_key(next_key, least(coalesce(free, at_most), at_most));
	end if;
end
$$;
comment on function drover.sweep_parked(text, integer, jsonb) is 'Repairs, one key a call in their order: parked requests whose limit has room again. next_key null = none is left after after_key.';

-- ---- the claim ----

create function drover.park_in_session(stuck bigint[]) returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	parked integer;
begin
	-- Share locks on who stands before: parked behind one that ends unseen, a request would wait for ever. Who is locked is
	-- just changing: then nothing is parked, and the next claim looks again.
	with sessions as materialized (
		select distinct r.session_id from public.agent_requests r where r.id = any (stuck)
	), running as materialized (
		select b.id, b.session_id from public.agent_requests b
		where b.session_id = any (array(select s.session_id from sessions s)) and b.parent_id is null and b.status = 'processing'
		for share skip locked
	), first as materialized (
		select f.id, s.session_id from sessions s
		cross join lateral (select b.id from public.agent_requests b
			where b.session_id = s.session_id and b.parent_id is null and b.status = 'queued' and case when b.phase = 'scheduled' then 1 else 0 end = 0
			order by b.session_id, (case when b.phase = 'scheduled' then 1 else 0 end), b.id limit 1
			for share skip locked) f
	), behind as materialized ( -- who stands behind is as stuck: else a long line would cost a claim for each of it
		select q.id from public.agent_requests q where q.phase = 'ready' and q.id = any (array(
			select w.id from sessions s cross join lateral (select l.id, l.phase from public.agent_requests l
				where l.session_id = s.session_id and l.parent_id is null and l.status = 'queued'
					and case when l.phase = 'scheduled' then 1 else 0 end = 0
					and l.id > (select min(x.id) from public.agent_requests x where x.id = any (stuck) and x.session_id = s.session_id)
				order by l.session_id, (case when l.phase = 'scheduled' then 1 else 0 end), l.id limit 500) w
			where w.phase = 'ready'))
		for update skip locked
	), put_aside as (
		update public.agent_requests r set phase = 'blocked', blocked_on = 'session'
			where r.id = any (stuck || array(select b.id from behind b))
				and (exists (select from running h where h.session_id = r.session_id and h.id <> r.id)
					or exists (select from first f where f.session_id = r.session_id and f.id < r.id))
			returning r.id
	)
	select count(*) into parked from put_aside p where p.id = any (stuck);
	return parked;
end
$$;
comment on function drover.park_in_session(bigint[]) is 'Puts requests whose session is busy out of the claim''s way, until the one before them ends; how many.';

create function drover.under_limits(candidates bigint[], defaults jsonb, out allowed bigint[], out parked integer)
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	c record;
	rule record;
	rooms jsonb := '{}';
	full_key text;
	limited text[];
	stuck bigint[] := '{}';
	stuck_on text[] := '{}';
	passed text[] := '{}';
begin
	allowed := '{}';
	for c in select r.id, r.version, r.type, r.workspace_id, r.user_id from public.agent_requests r
			where r.id = any (candidates) order by r.priority, r.id loop
		full_key := null;
		limited := '{}';
		for rule in select s.scope, s.key, drover.permit_key(s.scope, s.key) as name from (values ('all', ''), ('type', c.type),
				('workspace', c.workspace_id::text), ('user', c.user_id::text)) as s (scope, key) where s.key is not null loop
			if not rooms ? rule.name then
				rooms := rooms || jsonb_build_object(rule.name, drover.room(rule.scope, rule.key, defaults));
			end if;
			if (rooms ->> rule.name)::integer <= 0 then
				full_key := rule.name;
				exit;
			elsif rooms ->> rule.name is not null then
				limited := limited || rule.name;
			end if;
		end loop;
		exit when full_key = 'all'; -- nobody else will find room either: they stay where they are
		if full_key is null then
			allowed := allowed || c.id;
			insert into drover.permits (key, request_id, version) select k, c.id, c.version + 1 from unnest(limited) k
				on conflict (key, request_id) do update set version = excluded.version;
			rooms := rooms || coalesce((select jsonb_object_agg(k, (rooms ->> k)::integer - 1) from unnest(limited) k), '{}');
		else
			stuck := stuck || c.id;
			stuck_on := stuck_on || full_key;
			passed := passed || limited;
		end if;
	end loop;
	update public.agent_requests r set phase = 'blocked', blocked_on = s.key
		from unnest(stuck, stuck_on) as s (id, key) where r.id = s.id;
	parked := cardinality(stuck);
	-- a place that these were let in for and do not take goes to the next who is parked for it; only ever to a later scope, so it ends
	for rule in select k as name, least(count(*), (rooms ->> k)::integer)::integer as n from unnest(passed) k
			where (rooms ->> k)::integer > 0 group by k order by k loop
		if drover.unpark_key(rule.name, rule.n) > 0 then
			perform drover.wake();
		end if;
	end loop;
end
$$;
comment on function drover.under_limits(bigint[], jsonb) is 'Which of the candidates have room under every limit, with their permits written; the others are parked.';

create function drover.fair_candidates(at_most integer, after_tenant uuid, out places tid[], out last_tenant uuid)
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	nobody constant uuid := '00000000-0000-0000-0000-000000000000';
	first smallint;
begin
	select r.priority into first from public.agent_requests r where r.phase = 'ready' order by r.priority, r.id limit 1;
	-- jumps from tenant to tenant in the index, round the circle once; nobody is its lowest point
	with recursive line as (
		select null::uuid as tenant, coalesce(after_tenant, nobody) as at,
			after_tenant is null
				-- one place at a time has no shares: who came last stays, so that its turns are as many as its weight
				or (at_most = 1 and random() >= 1.0 / coalesce((select max(l.weight) from drover.limits l
					where l.scope in ('workspace', 'user') and l.key = after_tenant::text), 1)) as at_too,
			0 as n, false as wrapped
		union all
		select next.tenant, coalesce(next.tenant, nobody), next.tenant is null, line.n + 1, line.wrapped or next.tenant is null
		from line cross join lateral (
			select coalesce(
				case when line.at_too then (select line.at from public.agent_requests r
					where r.phase = 'ready' and r.priority = first
						and coalesce(r.workspace_id, r.user_id, '00000000-0000-0000-0000-000000000000') = line.at limit 1) end,
				(select coalesce(r.workspace_id, r.user_id, '00000000-0000-0000-0000-000000000000') from public.agent_requests r
					where r.phase = 'ready' and r.priority = first
						and coalesce(r.workspace_id, r.user_id, '00000000-0000-0000-0000-000000000000') > line.at
					order by r.priority, coalesce(r.workspace_id, r.user_id, '00000000-0000-0000-0000-000000000000') limit 1)) as tenant) next
		where line.n <= at_most
			and not (line.wrapped and (next.tenant is null or after_tenant is null or next.tenant > after_tenant))
	), tenants as (
		select t.tenant, min(t.n) as n, coalesce(max(l.weight), 1) as weight
		from line t left join drover.limits l on l.scope in ('workspace', 'user') and l.key = t.tenant::text
		where t.tenant is not null
		group by t.tenant
	), shares as (
		select t.tenant, t.n, greatest(at_most * t.weight / sum(t.weight) over (), 1)::integer as share from tenants t
	), turn as materialized (
		select c.place, s.tenant, s.n from (select * from shares order by n limit at_most) s
		cross join lateral (select r.ctid as place from public.agent_requests r
			where r.phase = 'ready' and r.priority = first
				and coalesce(r.workspace_id, r.user_id, '00000000-0000-0000-0000-000000000000') = s.tenant
			order by r.priority, coalesce(r.workspace_id, r.user_id, '00000000-0000-0000-0000-000000000000'), r.id limit s.share
			for update skip locked) c
		limit at_most
	)
	select coalesce(array_agg(t.place), '{}'), (array_agg(t.tenant order by t.n desc))[1] into places, last_tenant from turn t;
end
$$;
comment on function drover.fair_candidates(integer, uuid) is 'Ready requests of the best priority, locked: of each tenant its share, beginning after the tenant that came last.';

create function drover.claim(owner uuid, at_most integer, floor_priority integer, floor_id bigint, defaults jsonb, fair boolean,
	after_tenant uuid)
	returns table (id bigint, version integer, attempt integer, crashes smallint, type text, request text, context jsonb,
		session_id uuid, user_id uuid, workspace_id uuid, dry_run boolean, is_child boolean, resumed boolean, last_seq integer,
		priority smallint, looked integer, undecided integer, returns bigint, tenant uuid)
	language plpgsql set search_path = pg_catalog, pg_temp
	-- whoever logs in: these plans hold at any size and with any statistics
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
	limited constant boolean := defaults <> '{}' or exists (select from drover.limits);
	told constant boolean := exists (select from drover.cancels);
	places tid[] := '{}';
	more tid[];
	free bigint[];
	stuck bigint[];
	stopped bigint[];
	going_on bigint[];
begin
	perform from drover.workers w where w.id = owner and w.lease_until > clock_timestamp() for key share; -- not taken for dead while it takes
	if not found then
		return;
	end if;
	if not limited then
		lock table drover.counting in row exclusive mode; -- who makes the first limit waits for us
		if exists (select from drover.limits) then
			select 0, 1, s.last_value, after_tenant into looked, undecided, returns, tenant from drover.returns s;
			return next; -- made while we waited: look again
			return;
		end if;
	else
		perform drover.lock_limits();
		at_most := least(at_most, drover.room('all', '', defaults));
	end if;
	tenant := after_tenant;
	if fair then
		select f.places, coalesce(f.last_tenant, after_tenant) into places, tenant from drover.fair_candidates(at_most, after_tenant) f;
	end if;
	-- What is better than the floor's priority is never skipped; of its own priority, what came before it is.
	for part in case when floor_id > 0 then 1 else 2 end .. 2 loop
		more := array(select r.ctid from public.agent_requests r
			where r.phase = 'ready'
				and (r.priority, r.id) >= (case when part = 1 or floor_id = 0 then -1 else floor_priority end, case when part = 1 then 0 else floor_id end)
				and r.priority < case when part = 1 then floor_priority else 32767 end
				and r.ctid <> all (places)
			order by r.priority, r.id
			limit at_most - cardinality(places)
			for update skip locked);
		places := places || more;
	end loop;
	looked := cardinality(places);
	with judged as materialized (
		select r.ctid, r.id, r.status, told and exists (select from drover.cancels c where c.request_id = r.id) as stopped,
				r.parent_id is not null or r.status = 'processing' or (
					-- one row each, so that the plan can be no other than a look into the index that is meant
					(select 1 from public.agent_requests b
						where b.session_id = r.session_id and b.parent_id is null and b.status = 'processing' limit 1) is null
					and coalesce((select b.id from public.agent_requests b
						where b.session_id = r.session_id and b.parent_id is null and b.status = 'queued'
							and case when b.phase = 'scheduled' then 1 else 0 end = 0
						order by b.session_id, (case when b.phase = 'scheduled' then 1 else 0 end), b.id limit 1), r.id) >= r.id) as free
			from public.agent_requests r where r.ctid = any (places)
	)
	select array_agg(j.ctid) filter (where j.free and not j.stopped), array_agg(j.id) filter (where limited and j.free and not j.stopped),
		array_agg(j.id) filter (where not j.free and not j.stopped), array_agg(j.id) filter (where j.stopped),
		array_agg(j.id) filter (where j.status = 'processing')
		into places, free, stuck, stopped, going_on from judged j;
	if limited and free is not null then
		free := (drover.under_limits(free, defaults)).allowed;
		places := array(select r.ctid from public.agent_requests r where r.id = any (free));
	end if;
	undecided := coalesce(cardinality(stuck), 0) + coalesce(cardinality(stopped), 0);
	if stuck is not null then
		undecided := undecided - drover.park_in_session(stuck);
	end if;
	if stopped is not null then
		perform drover.end_if_told(s) from unnest(stopped) s;
	end if;
	select s.last_value into returns from drover.returns s;
	if coalesce(cardinality(places), 0) = 0 then
		return next; -- a row without a request says how far it looked
		return;
	end if;
	return query
		update public.agent_requests r
		set status = 'processing', phase = 'running', version = r.version + 1, attempt = r.attempt + 1, worker_id = owner,
			started_at = coalesce(r.started_at, clock_timestamp()), error = null, error_code = null
		where r.ctid = any (places)
		returning r.id, r.version, r.attempt, r.crashes, r.type, r.request, r.context, r.session_id, r.user_id, r.workspace_id,
			r.dry_run, r.parent_id is not null, coalesce(r.id = any (going_on), false),
			case when r.version = 1 then 0 else drover.last_seq(r.id) end, r.priority, looked, undecided, returns, tenant;
end
$$;
comment on function drover.claim(uuid, integer, integer, bigint, jsonb, boolean, uuid) is 'Claims the first ready requests by (priority, id) for a worker whose lease has not run out, returned in any order; one running request a session; children run in their parent''s place. Blocked ones are parked. floor: nothing of that priority and a smaller id is ready as far as the worker knows; 0 = look at all. looked: how many candidates it saw; undecided: how many of them are just changing; returns: whether a request may have come back below the floor; tenant: where the next fair claim begins.';

-- ---- the end ----

create function drover.finish(ids bigint[], versions integer[], statuses text[], phases text[], results text[], errors text[],
	codes text[], agents text[], input_tokens bigint[], output_tokens bigint[], cache_write_tokens bigint[], cache_read_tokens bigint[])
	returns setof bigint
	language plpgsql set search_path = pg_catalog, pg_temp
	set lock_timeout = '1s' -- a row that somebody holds must not hold up everybody's ends
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
	done bigint[];
	sessions uuid[];
	children bigint[];
begin
	with given as (
		select * from unnest(ids, versions, statuses, phases, results, errors, codes, agents, input_tokens, output_tokens,
			cache_write_tokens, cache_read_tokens)
			as g (id, version, status, phase, result, error, code, agent, input, output, cache_write, cache_read)
	), ended as (
		update public.agent_requests r
		set status = g.status, result = g.result::jsonb,
			phase = case when g.phase <> 'cancelled' then g.phase
				else coalesce((select c.phase from drover.cancels c where c.request_id = g.id), g.phase) end,
			error = case when g.phase <> 'cancelled' then g.error
				else coalesce((select c.why from drover.cancels c where c.request_id = g.id), g.error) end,
			error_code = case when g.phase <> 'cancelled' then g.code
				else coalesce((select c.code from drover.cancels c where c.request_id = g.id), g.code) end,
			agents_involved = case when g.agent = any (r.agents_involved) then r.agents_involved
				else array[g.agent] || r.agents_involved end,
			input_tokens = r.input_tokens + g.input, output_tokens = r.output_tokens + g.output,
			cache_write_tokens = r.cache_write_tokens + g.cache_write, cache_read_tokens = r.cache_read_tokens + g.cache_read,
			worker_id = null, waits_on = 0, finished_at = clock_timestamp(),
			processing_time_ms = least(extract(epoch from clock_timestamp() - r.started_at) * 1000, 2147483647)
		from given g where r.id = g.id and r.version = g.version and r.phase = 'running'
		returning r.id, r.session_id, r.parent_id
	)
	select array_agg(e.id), array_agg(e.session_id) filter (where e.parent_id is null),
		array_agg(e.id order by e.parent_id, e.id) filter (where e.parent_id is not null)
		into done, sessions, children from ended e;
	if done is null then
		return;
	end if;
	if sessions is not null then
		perform drover.unpark_sessions(sessions);
	end if;
	perform drover.return_permits(done);
	if exists (select from drover.cancels) then
		delete from drover.cancels c where c.request_id = any (done);
	end if;
	if children is not null then
		perform drover.free_waiting(c) from unnest(children) c;
	end if;
	return query select unnest(done);
end
$$;
comment on function drover.finish(bigint[], integer[], text[], text[], text[], text[], text[], text[], bigint[], bigint[], bigint[], bigint[]) is 'Writes the ends of runs that are still owned at the given version, and lets go on what waited for them; returns which those are. Ids in ascending order: that is the order of their locks.';

create function drover.after_run(of_request bigint) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform nextval('drover.returns');
	perform drover.return_permits(array[of_request]);
	perform drover.end_if_told(of_request);
end
$$;
comment on function drover.after_run(bigint) is 'After a run was given back or put aside: its permits go back, and one that was told to stop ends instead.';

create function drover.rescue(max_attempts integer, max_crashes integer, at_most integer)
	returns table (id bigint, failed boolean, error text)
	language plpgsql set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
	r record;
begin
	for r in
		with dead as materialized (
			select w.id, w.host, w.pid from drover.workers w where w.lease_until <= clock_timestamp() order by w.id for update skip locked
		), lost as materialized ( -- what a transaction of the dead still holds is left for the next time
			select q.id, dead.host, dead.pid,
				q.crashes + 1 >= max_crashes or q.attempt >= max_attempts + max_crashes as poison
			from dead
			join public.agent_requests q on q.worker_id = dead.id and q.status = 'processing' and q.phase = 'running'
			limit at_most for update of q skip locked
		), taken as (
			update public.agent_requests q
			set version = q.version + 1, worker_id = null, crashes = q.crashes + 1,
				status = case when lost.poison then 'failed' else 'queued' end, phase = case when lost.poison then 'failed' else 'ready' end,
				error_code = 'worker_lost', error = format('worker %s:%s was lost in attempt %s', lost.host, lost.pid, q.attempt),
				finished_at = case when lost.poison then clock_timestamp() end,
				processing_time_ms = case when not lost.poison then q.processing_time_ms
					else least(extract(epoch from clock_timestamp() - q.started_at) * 1000, 2147483647) end
			from lost where q.id = lost.id
			returning q.id, q.error, lost.poison, q.session_id, q.parent_id
		), gone as (
			delete from drover.workers w using dead
			where w.id = dead.id and not exists (select from public.agent_requests q
				where q.worker_id = w.id and q.status = 'processing' and q.phase = 'running' and q.id not in (select lost.id from lost))
		)
		select t.* from taken t order by t.id
	loop
		id := r.id;
		failed := r.poison;
		error := r.error;
		perform drover.queue_log(r.id, case when r.poison then 'error' else 'status' end, r.error, jsonb_build_object('code', 'worker_lost'));
		perform drover.after_run(r.id);
		if r.poison and r.parent_id is null then
			perform drover.unpark_sessions(array[r.session_id]);
		elsif r.poison then
			perform drover.free_waiting(r.id);
		end if;
		return next;
	end loop;
end
$$;
comment on function drover.rescue(integer, integer, integer) is 'Takes over what dead workers owned: ready again, or failed when their workers have died too often with it.';

create function drover.sweep_sessions(after_session uuid, at_most integer, out next_session uuid, out unparked integer)
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	seen uuid[];
begin
	with recursive line as (
		(select r.session_id as s, 1 as n from public.agent_requests r
			where r.parent_id is null and r.status = 'queued' and r.session_id > after_session order by r.session_id limit 1)
		union all
		select (select r.session_id from public.agent_requests r
			where r.parent_id is null and r.status = 'queued' and r.session_id > line.s order by r.session_id limit 1), line.n + 1
		from line where line.s is not null and line.n < at_most
	)
	select array_agg(line.s), max(line.s::text)::uuid into seen, next_session from line where line.s is not null;
	update public.agent_requests r set phase = 'ready', blocked_on = null
		where r.id = any (array(
			select q.id from drover.parked_heads(seen) h join public.agent_requests q on q.id = h
			where q.phase = 'blocked' and q.blocked_on = 'session' and not exists (select from public.agent_requests b
				where b.session_id = q.session_id and b.parent_id is null and b.status = 'processing')
			order by q.id for update of q skip locked)); -- who holds one is at it
	get diagnostics unparked = row_count;
	if unparked > 0 then
		perform nextval('drover.returns');
	end if;
	if coalesce(cardinality(seen), 0) < at_most then
		next_session := null;
	end if;
end
$$;
comment on function drover.sweep_sessions(uuid, integer) is 'Repairs, some sessions a call in their order: a head that is parked though nothing runs before it. next_session null = begin anew.';

create function drover.upkeep(at_most integer, after_key text, after_session uuid, defaults jsonb, out promoted integer,
	out next_ms bigint, out any_dead boolean, out any_ready boolean, out next_key text, out next_session uuid, out repaired integer)
	language plpgsql set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	n integer;
begin
	update public.agent_requests r set phase = 'ready' where r.id = any (array(
		select q.id from public.agent_requests q where q.phase in ('scheduled', 'retry_wait') and q.run_at <= now()
		order by q.run_at limit at_most for update skip locked));
	get diagnostics promoted = row_count;
	if promoted > 0 then
		perform nextval('drover.returns');
	end if;
	select ceil(extract(epoch from q.run_at - clock_timestamp()) * 1000)::bigint into next_ms from public.agent_requests q
		where q.phase in ('scheduled', 'retry_wait') order by q.run_at limit 1;
	-- who was told to stop while its row was changing hands
	perform drover.end_if_told(c.request_id) from drover.cancels c
		join public.agent_requests r on r.id = c.request_id and r.phase <> 'running'
		where c.created_at < clock_timestamp() - interval '1 second'
			-- a parent that became one just then: its children were not told
			and (r.phase <> 'waiting_children' or exists (select from public.agent_requests k
				where k.parent_id = r.id and k.status in ('queued', 'processing')
					and not exists (select from drover.cancels t where t.request_id = k.id)));
	select s.next_session, s.unparked into next_session, repaired from drover.sweep_sessions(after_session, at_most / 4) s;
	next_key := after_key;
	for i in 1 .. 100 loop
		select s.next_key, s.unparked into next_key, n from drover.sweep_parked(next_key, at_most, defaults) s;
		repaired := repaired + n;
		exit when next_key is null or repaired >= at_most;
	end loop;
	-- void permits, of requests that were deleted, say: some a time, so that thousands that hold cost nothing
	perform drover.return_permits(array(
		select distinct p.request_id from (select q.request_id, q.version from drover.permits q
			where q.request_id >= (select case when random() < 0.5 then 0
				else min(m.request_id) + floor(random() * (max(m.request_id) - min(m.request_id)))::bigint end from drover.permits m)
			order by q.request_id limit 200) p
		where (select 1 from public.agent_requests r
				where r.id = p.request_id and r.version = p.version and r.phase = 'running' limit 1) is null));
	any_dead := exists (select from drover.workers w where w.lease_until <= clock_timestamp());
	any_ready := exists (select from public.agent_requests r where r.phase = 'ready');
end
$$;
comment on function drover.upkeep(integer, text, uuid, jsonb) is 'What only time brings, for everybody: due requests become ready, and parked ones that were missed. next_ms: until the next is due.';

grant select, insert, update, delete on drover.limits, drover.permits to drover_worker;
revoke execute on all functions in schema drover from public;
grant execute on function drover.is_paused(text, text), drover.max_running(text, text, jsonb), drover.running_under(text),
	drover.permit_key(text, text), drover.room(text, text, jsonb), drover.lock_limits(), drover.unpark_key(text, integer),
	drover.return_permits(bigint[]), drover.sweep_parked(text, integer, jsonb), drover.park_in_session(bigint[]),
	drover.under_limits(bigint[], jsonb), drover.fair_candidates(integer, uuid),
	drover.claim(uuid, integer, integer, bigint, jsonb, boolean, uuid),
	drover.finish(bigint[], integer[], text[], text[], text[], text[], text[], text[], bigint[], bigint[], bigint[], bigint[]),
	drover.after_run(bigint), drover.rescue(integer, integer, integer), drover.sweep_sessions(uuid, integer),
	drover.upkeep(integer, text, uuid, jsonb) to drover_worker;
