-- Budgets: what a request, a session, and a user or workspace a day may spend on models; what they spent; what calls under way may still spend.
-- Locks: none on existing tables.

-- What is exact, and what it costs.
-- A call is counted (drover.spend) in the transaction that keeps its turn: what is spent and what is kept cannot differ.
-- Before it is made it reserves what it may spend at most (drover.reserve), under the lock of the rows of drover.spending that
-- it concerns: no global lock, two workspaces never wait for each other, and a key's row is held for one short transaction.
-- Where an estimate does not fit any more, one call alone may still go, and takes all that is left: a budget is overspent at
-- most by the answer of one call (and by what the estimate of its input was wrong). The others wait until it is settled.
-- Locks are taken in one order by all: the request, drover.spending_counted, rows of drover.spending by (scope, key, day).
-- Where no budget of a scope is asked about nothing is counted in it: no row that all calls of a workspace must update.
-- Counting begins with the first question, with what the kept turns of the day (or session) say, and ends two days after the last.

create table drover.budgets (
	scope text not null constraint scope_is_known check (scope in ('request', 'session', 'user', 'workspace')),
	key text not null,
	max_tokens bigint constraint max_tokens_0_to_1e15 check (max_tokens between 0 and 1000000000000000),
	max_cost_micros bigint constraint max_cost_0_to_1e15 check (max_cost_micros between 0 and 1000000000000000),
	primary key (scope, key),
	constraint a_budget_limits_something check (num_nonnulls(max_tokens, max_cost_micros) > 0)
);
comment on table drover.budgets is 'What may be spent on models: by a request or session in all, by a user or workspace a day (UTC). The server''s options give defaults.';
comment on column drover.budgets.scope is 'request, session, user or workspace.';
comment on column drover.budgets.key is 'Number of the request, or uuid; * = each one that has no row of its own.';
comment on column drover.budgets.max_tokens is 'Tokens of all kinds, summed. Null = no limit, or that of the row *.';
comment on column drover.budgets.max_cost_micros is 'Millionths of the currency of the price table. Null = no limit, or that of the row *.';

create table drover.spending_counted (
	scope text primary key constraint scope_has_spending check (scope in ('session', 'user', 'workspace')),
	asked_on date not null
);
comment on table drover.spending_counted is 'Scopes whose spending is counted, because a budget of theirs was asked about. Its lock is what who begins to count, or ends it, waits for.';
comment on column drover.spending_counted.scope is 'session, user or workspace. What a request spent is in its own row in any case.';
comment on column drover.spending_counted.asked_on is 'Day (UTC) on which a budget was last asked about.';

create table drover.spending (
	scope text not null,
	key text not null,
	day date not null,
	tokens bigint not null default 0,
	cost_micros bigint not null default 0,
	reserved_tokens bigint not null default 0,
	reserved_micros bigint not null default 0,
	swept_at timestamptz not null default '-infinity',
	primary key (scope, key, day)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
comment on table drover.spending is 'What was spent on models, and what calls under way have reserved, in the scopes that drover.spending_counted names.';
comment on column drover.spending.scope is 'session, user or workspace.';
comment on column drover.spending.key is 'Its uuid.';
comment on column drover.spending.day is 'UTC; infinity for a session, which has no end. The day before yesterday is removed.';
comment on column drover.spending.tokens is 'Tokens of all kinds.';
comment on column drover.spending.cost_micros is 'Millionths of the currency of the price table.';
comment on column drover.spending.reserved_tokens is 'Sum over drover.reservations, void ones among them.';
comment on column drover.spending.reserved_micros is 'Sum over drover.reservations, void ones among them.';
comment on column drover.spending.swept_at is 'When void reservations were last looked for because one did not fit.';
create index spending_day on drover.spending (day);

create table drover.reservations (
	request_id bigint not null,
	scope text not null,
	key text not null,
	day date not null,
	version integer not null,
	tokens bigint not null,
	cost_micros bigint not null,
	primary key (request_id, scope)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
comment on table drover.reservations is 'What a call under way may spend at most. Gone when it is settled or the request reserves anew; void when the request does not run at that version: who has no room because of it removes it, else drover.tend_budgets.';
comment on column drover.reservations.request_id is 'The request whose call it is.';
comment on column drover.reservations.scope is 'As in drover.spending.';
comment on column drover.reservations.key is 'As in drover.spending.';
comment on column drover.reservations.day is 'As in drover.spending: a call over midnight gives back where it took.';
comment on column drover.reservations.version is 'The request''s fence.';
comment on column drover.reservations.tokens is 'Tokens of all kinds.';
comment on column drover.reservations.cost_micros is 'Millionths of the currency of the price table.';
create index reservations_place on drover.reservations (scope, key, day);

-- ---- what the budgets are ----

create function drover.today() returns date language sql stable set search_path = pg_catalog, pg_temp as $$
	select (now() at time zone 'UTC')::date
$$;
comment on function drover.today() is 'The day by which budgets count: UTC, whatever the time zone of the session.';

create function drover.budgets_of(of_request bigint, defaults jsonb) returns setof drover.budgets
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select p.scope, p.key, m.tokens, m.cost from public.agent_requests r
	cross join lateral (values ('request', r.id::text), ('session', r.session_id::text), ('user', r.user_id::text),
		('workspace', r.workspace_id::text)) as p (scope, key)
	cross join lateral (select
		coalesce((array_agg(b.max_tokens order by b.key = '*') filter (where b.max_tokens is not null))[1],
			(defaults -> p.scope ->> 'tokens')::bigint) as tokens,
		coalesce((array_agg(b.max_cost_micros order by b.key = '*') filter (where b.max_cost_micros is not null))[1],
			(defaults -> p.scope ->> 'cost')::bigint) as cost
		from drover.budgets b where b.scope = p.scope and b.key in (p.key, '*')) m
	where r.id = of_request and p.key is not null and num_nonnulls(m.tokens, m.cost) > 0
	order by p.scope
$$;
comment on function drover.budgets_of(bigint, jsonb) is 'The budgets that hold for a request: of each scope its own row, else the row *, else the default {scope: {tokens, cost}}.';

-- ---- counting ----

create function drover.turn_tokens(turn public.agent_turns) returns bigint language sql immutable set search_path = pg_catalog, pg_temp as $$
	select coalesce((turn.usage ->> 'input_tokens')::bigint + (turn.usage ->> 'output_tokens')::bigint
		+ (turn.usage ->> 'cache_write_tokens')::bigint + (turn.usage ->> 'cache_read_tokens')::bigint, turn.tokens_used, 0)
$$;
comment on function drover.turn_tokens(public.agent_turns) is 'Tokens of all kinds of a model turn, in its last block''s row.';

create function drover.count_spending(scopes text[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	today constant date := drover.today();
	midnight constant timestamptz := drover.today()::timestamp at time zone 'UTC';
	fresh text[];
	first_id bigint;
begin
	if not exists (select from unnest(scopes) s left join drover.spending_counted c on c.scope = s and c.asked_on >= today
			where c.scope is null) then -- the rule
		return;
	end if;
	lock table drover.spending_counted in share row exclusive mode; -- who did not count has committed by now
	fresh := array(select s from unnest(scopes) s where s not in (select c.scope from drover.spending_counted c));
	insert into drover.spending_counted as c (scope, asked_on) select s, today from unnest(scopes) s
		on conflict (scope) do update set asked_on = greatest(c.asked_on, excluded.asked_on);
	if not fresh && '{user,workspace}' then -- sessions are summed one by one, when they are first met
		return;
	end if;
	-- back to midnight by steps: no index knows when a turn was
	select max(t.id) into first_id from public.agent_turns t;
	while (select t.created_at from public.agent_turns t where t.id <= first_id order by t.id desc limit 1) >= midnight - interval '1 minute' loop
		first_id := first_id - 10000;
	end loop;
	insert into drover.spending as s (scope, key, day, tokens, cost_micros)
		select p.scope, p.key, today, sum(drover.turn_tokens(t)), sum(coalesce(t.cost_micros, 0)) from public.agent_turns t
			cross join lateral (values ('user', t.user_id::text), ('workspace', t.workspace_id::text)) as p (scope, key)
			where t.id > first_id and t.created_at >= midnight and t.stop_reason is not null
				and p.scope = any (fresh) and p.key is not null
			group by p.scope, p.key
		on conflict (scope, key, day) do update set tokens = excluded.tokens, cost_micros = excluded.cost_micros;
end
$$;
comment on function drover.count_spending(text[]) is 'From now on spending is counted in these scopes: begins with what was kept today. Calls whose turn was not kept are not in that beginning.';

create function drover.lock_spending(of_scope text, of_key text, of_day date) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform from drover.spending s where s.scope = of_scope and s.key = of_key and s.day = of_day for no key update;
	if found then
		return;
	end if;
	insert into drover.spending (scope, key, day, tokens, cost_micros)
		select of_scope, of_key, of_day, coalesce(sum(drover.turn_tokens(t)), 0), coalesce(sum(t.cost_micros), 0)
			from public.agent_turns t
			where t.session_id = case when of_scope = 'session' then of_key::uuid end and t.stop_reason is not null
		on conflict do nothing;
	perform from drover.spending s where s.scope = of_scope and s.key = of_key and s.day = of_day for no key update;
end
$$;
comment on function drover.lock_spending(text, text, date) is 'Makes sure of a row of drover.spending and holds it until commit; a session''s begins with what its kept turns spent.';

create function drover.places_of(of_request bigint, scopes text[]) returns table (scope text, key text, day date)
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select p.scope, p.key, case p.scope when 'session' then 'infinity' else drover.today() end from public.agent_requests r
	cross join lateral (values ('session', r.session_id::text), ('user', r.user_id::text), ('workspace', r.workspace_id::text))
		as p (scope, key)
	where r.id = of_request and p.key is not null and p.scope = any (scopes)
$$;
comment on function drover.places_of(bigint, text[]) is 'Rows of drover.spending in which a request counts.';

create function drover.open_places(of_request bigint, scopes text[]) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	p record;
begin
	for p in select o.scope, o.key, o.day from drover.places_of(of_request, scopes) o
			union select v.scope, v.key, v.day from drover.reservations v where v.request_id = of_request
			order by scope, key, day loop
		perform drover.lock_spending(p.scope, p.key, p.day);
	end loop;
	with gone as (
		delete from drover.reservations v where v.request_id = of_request returning v.scope, v.key, v.day, v.tokens, v.cost_micros
	)
	update drover.spending s set reserved_tokens = s.reserved_tokens - g.tokens, reserved_micros = s.reserved_micros - g.cost_micros
		from gone g where s.scope = g.scope and s.key = g.key and s.day = g.day;
end
$$;
comment on function drover.open_places(bigint, text[]) is 'Holds, in the order of all, the rows in which a request counts, and gives back what it has reserved.';

create function drover.drop_void(of_scope text, of_key text, of_day date) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	with gone as (
		delete from drover.reservations v where v.scope = of_scope and v.key = of_key and v.day = of_day
			and (select 1 from public.agent_requests r
				where r.id = v.request_id and r.version = v.version and r.phase = 'running' limit 1) is null
			returning v.tokens, v.cost_micros
	)
	update drover.spending s set swept_at = clock_timestamp(), reserved_tokens = s.reserved_tokens - g.tokens,
			reserved_micros = s.reserved_micros - g.cost_micros
		from (select coalesce(sum(o.tokens), 0) as tokens, coalesce(sum(o.cost_micros), 0) as cost_micros from gone o) g
		where s.scope = of_scope and s.key = of_key and s.day = of_day;
end
$$;
comment on function drover.drop_void(text, text, date) is 'Gives back what runs that are over have reserved of one row of drover.spending; the caller holds it.';

-- ---- before a call ----

create function drover.judge_budget(b drover.budgets, of_request bigint, of_day date, wanted_tokens bigint, wanted_micros bigint,
	least_tokens bigint, least_micros bigint, out refused text, out measure text, out used bigint, out held bigint,
	out most bigint, out needed bigint)
	language sql volatile set search_path = pg_catalog, pg_temp as $$
	with now_spent as (
		select r.input_tokens + r.output_tokens + r.cache_write_tokens + r.cache_read_tokens as tokens, r.cost_micros,
				0::bigint as reserved_tokens, 0::bigint as reserved_micros
			from public.agent_requests r where b.scope = 'request' and r.id = of_request
		union all
		select s.tokens, s.cost_micros, s.reserved_tokens, s.reserved_micros
			from drover.spending s where s.scope = b.scope and s.key = b.key and s.day = of_day
	), measured as (
		select 'tokens' as measure, s.tokens as used, s.reserved_tokens as held, b.max_tokens as most, least_tokens as needed,
			wanted_tokens as wanted, s.reserved_tokens = 0 as alone from now_spent s
		union all
		select 'cost', s.cost_micros, s.reserved_micros, b.max_cost_micros, least_micros, wanted_micros, s.reserved_tokens = 0
			from now_spent s
	)
	select case when m.used + m.needed > m.most then 'spent' else 'reserved' end, m.measure, m.used, m.held, m.most, m.needed
	from measured m
	where m.used + m.needed > m.most or (not m.alone and m.used + m.held + m.wanted > m.most)
	order by m.used + m.needed > m.most desc, m.measure desc limit 1
$$;
comment on function drover.judge_budget(drover.budgets, bigint, date, bigint, bigint, bigint, bigint) is 'Whether a call has room in a budget; refused null = yes. spent: what it needs at least is not left. reserved: it is, but calls under way may need it.';

create function drover.reserve(of_request bigint, claimed_version integer, input bigint, output bigint, least_micros bigint,
	most_micros bigint, defaults jsonb, out any_budget boolean, out refused text, out scope text, out key text, out measure text,
	out used bigint, out held bigint, out most bigint, out needed bigint)
	language plpgsql set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	bound drover.budgets[];
	b drover.budgets;
	j record;
	b_day date;
begin
	any_budget := defaults <> '{}' or exists (select from drover.budgets);
	if not any_budget then
		return;
	end if;
	perform drover.fence(of_request, claimed_version);
	select coalesce(array_agg(x order by x.scope), '{}') into bound from drover.budgets_of(of_request, defaults) x;
	perform drover.count_spending(array(select x.scope from unnest(bound) x where x.scope <> 'request'));
	perform drover.open_places(of_request, array(select x.scope from unnest(bound) x));
	foreach b in array bound loop
		b_day := case b.scope when 'session' then 'infinity' else drover.today() end;
		select * into j from drover.judge_budget(b, of_request, b_day, input + output, most_micros, input + 1, least_micros);
		-- what stands in the way may be of the dead; at most once a second, for near its end a budget of thousands is full all the time
		if j.refused = 'reserved' and exists (select from drover.spending s where s.scope = b.scope and s.key = b.key
				and s.day = b_day and s.swept_at < clock_timestamp() - interval '1 second') then
			perform drover.drop_void(b.scope, b.key, b_day);
			select * into j from drover.judge_budget(b, of_request, b_day, input + output, most_micros, input + 1, least_micros);
		end if;
		if j.refused is not null and refused is distinct from 'spent' then
			select j.refused, b.scope, b.key, j.measure, j.used, j.held, j.most, j.needed
				into refused, scope, key, measure, used, held, most, needed;
		end if;
	end loop;
	if refused is not null then
		return;
	end if;
	with taken as (
		insert into drover.reservations (request_id, scope, key, day, version, tokens, cost_micros)
			select of_request, s.scope, s.key, s.day, claimed_version,
				least(input + output, case when x.max_tokens is not null then greatest(x.max_tokens - s.tokens - s.reserved_tokens, 0) end),
				least(most_micros, case when x.max_cost_micros is not null then greatest(x.max_cost_micros - s.cost_micros - s.reserved_micros, 0) end)
			from unnest(bound) x join drover.spending s on s.scope = x.scope and s.key = x.key
				and s.day = case x.scope when 'session' then 'infinity' else drover.today() end
			returning reservations.scope, reservations.key, reservations.day, reservations.tokens, reservations.cost_micros
	)
	update drover.spending s set reserved_tokens = s.reserved_tokens + t.tokens, reserved_micros = s.reserved_micros + t.cost_micros
		from taken t where s.scope = t.scope and s.key = t.key and s.day = t.day;
end
$$;
comment on function drover.reserve(bigint, integer, bigint, bigint, bigint, bigint, jsonb) is 'Before a model call: reserves what it may spend, input + output tokens and most_micros, in every budget of the request; needed are input + 1 token and least_micros. refused: spent or reserved as drover.judge_budget says, with the budget that refuses; then nothing is reserved. A budget in which nothing else is reserved gives what it has left. DV001 unless the request still runs at this version. any_budget: whether there is any budget at all.';

-- ---- after a call ----

create function drover.spend(of_request bigint, claimed_version integer, input bigint, output bigint, cache_write bigint,
	cache_read bigint, cost bigint) returns void language plpgsql set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	counted text[];
begin
	update public.agent_requests r
		set input_tokens = r.input_tokens + input, output_tokens = r.output_tokens + output,
			cache_write_tokens = r.cache_write_tokens + cache_write, cache_read_tokens = r.cache_read_tokens + cache_read,
			cost_micros = r.cost_micros + cost
		where r.id = of_request and r.version = claimed_version and r.phase = 'running';
	if not found then
		raise exception 'request % is no longer owned at version %', of_request, claimed_version using errcode = 'DV001';
	end if;
	lock table drover.spending_counted in row exclusive mode; -- who begins to count waits for us
	counted := array(select c.scope from drover.spending_counted c);
	if counted = '{}' then -- the rule
		return;
	end if;
	perform drover.open_places(of_request, counted);
	update drover.spending s set tokens = s.tokens + input + output + cache_write + cache_read, cost_micros = s.cost_micros + cost
		from drover.places_of(of_request, counted) p where s.scope = p.scope and s.key = p.key and s.day = p.day;
end
$$;
comment on function drover.spend(bigint, integer, bigint, bigint, bigint, bigint, bigint) is 'Counts a model call in its request, and in the scopes that are counted; its reservation ends. First in its transaction, it is the fence: raises DV001 unless the request still runs at this version.';

-- ---- what only time brings ----

create function drover.tend_budgets() returns boolean language plpgsql set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	p record;
	idle text[];
begin
	idle := array(select c.scope from drover.spending_counted c where c.asked_on < drover.today() - 1
		and not exists (select from drover.budgets b where b.scope = c.scope));
	if idle <> '{}' then
		lock table drover.spending_counted in share row exclusive mode;
		delete from drover.spending_counted c where c.scope = any (idle) and c.asked_on < drover.today() - 1;
		delete from drover.reservations v where v.scope = any (idle) and v.scope not in (select c.scope from drover.spending_counted c);
		delete from drover.spending s where s.scope = any (idle) and s.scope not in (select c.scope from drover.spending_counted c);
	end if;
	if exists (select from drover.reservations) then
		-- some a time, so that thousands that hold cost nothing
		for p in select distinct q.scope, q.key, q.day from (select v.* from drover.reservations v
				where v.request_id >= (select case when random() < 0.5 then 0
					else min(m.request_id) + floor(random() * (max(m.request_id) - min(m.request_id)))::bigint end from drover.reservations m)
				order by v.request_id limit 200) q
				where (select 1 from public.agent_requests r
					where r.id = q.request_id and r.version = q.version and r.phase = 'running' limit 1) is null
				order by q.scope, q.key, q.day loop
			perform drover.lock_spending(p.scope, p.key, p.day);
			perform drover.drop_void(p.scope, p.key, p.day);
		end loop;
	end if;
	delete from drover.spending s where (s.scope, s.key, s.day) in (select o.scope, o.key, o.day from drover.spending o
		where o.day < drover.today() - 1 order by o.day limit 500 for update skip locked);
	return exists (select from drover.budgets);
end
$$;
comment on function drover.tend_budgets() is 'Removes void reservations, days that are past, and scopes that nobody asks about any more. Whether there is any budget.';

-- ---- for people ----

create function drover.budget_key(of_scope text, of_key text) returns text
	language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	if of_scope is null or of_scope <> all ('{request,session,user,workspace}') then
		raise exception 'the scope is request, session, user or workspace, not %', coalesce(quote_literal(of_scope), 'null')
			using errcode = 'invalid_parameter_value';
	elsif of_scope = 'request' and (of_key is null or of_key !~ '^(\*|[1-9][0-9]{0,17})$') then
		raise exception 'the key of scope request is its number, or *' using errcode = 'invalid_parameter_value';
	elsif of_scope <> 'request' and (of_key is null
			or of_key !~* '^(\*|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$') then
		raise exception 'the key of scope % is a uuid, or *', of_scope using errcode = 'invalid_parameter_value';
	end if;
	return lower(of_key);
end
$$;
comment on function drover.budget_key(text, text) is 'The key as drover.budgets keeps it; an error (22023) when it does not fit its scope.';

create function drover.set_budget(of_scope text, of_key text, tokens bigint, micros bigint) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if num_nonnulls(tokens, micros) = 0 or tokens not between 0 and 1000000000000000 or micros not between 0 and 1000000000000000 then
		raise exception 'a budget is 0 to 1000000000000000 tokens, or millionths, or both' using errcode = 'invalid_parameter_value';
	end if;
	insert into drover.budgets as b (scope, key, max_tokens, max_cost_micros)
		values (of_scope, drover.budget_key(of_scope, of_key), tokens, micros)
		on conflict (scope, key) do update set max_tokens = coalesce(excluded.max_tokens, b.max_tokens),
			max_cost_micros = coalesce(excluded.max_cost_micros, b.max_cost_micros);
	if of_scope <> 'request' then
		perform drover.count_spending(array[of_scope]);
	end if;
end
$$;
comment on function drover.set_budget(text, text, bigint, bigint) is 'What this scope and key may spend (0 = nothing, null = as it is). Holds for the next call of each request; workers that knew of no budget at all look within three seconds.';

create function drover.clear_budget(of_scope text, of_key text) returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	delete from drover.budgets b where b.scope = of_scope and b.key = drover.budget_key(of_scope, of_key);
	return found;
end
$$;
comment on function drover.clear_budget(text, text) is 'Takes a budget back: then that of * holds, or the default. False when there was none.';

create function drover.budgets_used(defaults jsonb) returns table (scope text, key text, tokens bigint, max_tokens bigint,
	cost_micros bigint, max_cost_micros bigint, reserved_tokens bigint, reserved_micros bigint, percent bigint)
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select s.scope, s.key, s.tokens, m.tokens, s.cost_micros, m.cost, s.reserved_tokens, s.reserved_micros,
		greatest(case when m.tokens = 0 then 100 else 100 * s.tokens / m.tokens end,
			case when m.cost = 0 then 100 else 100 * s.cost_micros / m.cost end)
	from drover.spending s
	left join drover.budgets own on own.scope = s.scope and own.key = s.key
	left join drover.budgets every on every.scope = s.scope and every.key = '*'
	cross join lateral (select coalesce(own.max_tokens, every.max_tokens, (defaults -> s.scope ->> 'tokens')::bigint) as tokens,
		coalesce(own.max_cost_micros, every.max_cost_micros, (defaults -> s.scope ->> 'cost')::bigint) as cost) m
	where s.day in (drover.today(), 'infinity') and num_nonnulls(m.tokens, m.cost) > 0
$$;
comment on function drover.budgets_used(jsonb) is 'How far each budget of a session, user or workspace is used; of those with spending only. defaults: as for drover.reserve.';

grant select, insert, update, delete on drover.budgets, drover.spending_counted, drover.spending, drover.reservations to drover_worker;
revoke execute on all functions in schema drover from public;
grant execute on function drover.today(), drover.budgets_of(bigint, jsonb), drover.turn_tokens(public.agent_turns),
	drover.count_spending(text[]), drover.lock_spending(text, text, date), drover.places_of(bigint, text[]),
	drover.open_places(bigint, text[]), drover.drop_void(text, text, date),
	drover.judge_budget(drover.budgets, bigint, date, bigint, bigint, bigint, bigint),
	drover.reserve(bigint, integer, bigint, bigint, bigint, bigint, jsonb), drover.tend_budgets(), drover.budget_key(text, text),
	drover.set_budget(text, text, bigint, bigint), drover.clear_budget(text, text), drover.budgets_used(jsonb),
	drover.spend(bigint, integer, bigint, bigint, bigint, bigint, bigint) to drover_worker;
