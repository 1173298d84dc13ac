-- Control: what an app may do to its requests (cancel, place in line, retry), dead letters, pauses and limits, generations.
-- Locks: SHARE ROW EXCLUSIVE on agent_requests while its indexes and trigger are made.

-- enable_seqscan and jit are off where a plan that was made while the table was small would be kept while it fills.

-- ---- generations of a supersede_key ----

create index agent_requests_generation on public.agent_requests (user_id, supersede_key, generation)
	where supersede_key is not null;

create function drover.count_generation() returns trigger language plpgsql security definer
	set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	before integer;
begin
	-- the lock of drover.supersede, taken before: who comes later has the higher generation, and wins
	perform drover.lock_keys(new.user_id, new.supersede_key);
	if new.user_id is null then -- apart: an index serves no "is not distinct from"
		select max(r.generation) into before from public.agent_requests r
			where r.user_id is null and r.supersede_key = new.supersede_key;
	else
		select max(r.generation) into before from public.agent_requests r
			where r.user_id = new.user_id and r.supersede_key = new.supersede_key;
	end if;
	new.generation := coalesce(before, 0) + 1;
	return new;
end
$$;
comment on function drover.count_generation() is 'Trigger: the generation of a new request, one more than the last of its user and supersede_key that is still there.';
create trigger agent_requests_generation before insert on public.agent_requests
	for each row when (new.supersede_key is not null) execute function drover.count_generation();

-- ---- once more ----

create index agent_requests_dead on public.agent_requests (finished_at, id) where phase = 'failed';

create view drover.dead_letters with (security_invoker = true) as
	select r.id, r.type, r.user_id, r.workspace_id, r.session_id, r.parent_id, r.error_code, r.error, r.attempt, r.created_at,
		r.finished_at
	from public.agent_requests r where r.phase = 'failed' order by r.finished_at desc, r.id desc;
comment on view drover.dead_letters is 'What failed for good, newest first; cancelled and superseded requests are not here. A child (parent_id) is retried with its parent. drover retry --failed runs them again.';

create function drover.retry(of_request bigint) returns text language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	r record;
	other record;
begin
	select q.status, q.parent_id, q.user_id, q.session_id, q.supersede_key, q.generation into r
		from public.agent_requests q where q.id = of_request;
	if not found then
		return 'not_there';
	elsif r.parent_id is not null then
		return 'child';
	elsif r.status <> 'failed' then
		return 'not_failed';
	end if;
	if exists (select from public.agent_sessions s where s.id = r.session_id and s.user_id is distinct from r.user_id)
			or exists (select from public.agent_requests q where q.session_id = r.session_id and q.parent_id is null
				and q.status = 'processing' and q.user_id is distinct from r.user_id)
			or exists (select from public.agent_requests q where q.session_id = r.session_id and q.parent_id is null
				and q.status = 'queued' and q.user_id is distinct from r.user_id) then
		return 'foreign_session';
	end if;
	if r.supersede_key is not null then
		perform drover.lock_keys(r.user_id, r.supersede_key);
		for other in select q.id, q.generation from public.agent_requests q
				where q.supersede_key = r.supersede_key and q.user_id is not distinct from r.user_id and q.parent_id is null
					and q.status in ('queued', 'processing') order by q.generation desc loop
			if other.generation > r.generation then
				return 'superseded';
			elsif other.generation < r.generation then
				perform drover.end_request(other.id, 'superseded', 'superseded', format('superseded by request %s', of_request));
			end if;
		end loop;
	end if;
	update public.agent_requests q
		set status = 'queued', phase = 'ready', version = q.version + 1, attempt = 0, crashes = 0, error = null, error_code = null,
			result = null, finished_at = null, run_at = null, waits_on = 0, blocked_on = null
		where q.id = of_request and q.status = 'failed';
	if not found then
		return 'not_failed';
	end if;
	delete from drover.cancels c where c.request_id = of_request; -- was told when its end was already under way
	perform nextval('drover.returns'); -- it stands before what came after it
	perform drover.wake();
	return 'again';
end
$$;
comment on function drover.retry(bigint) is 'Makes a failed request ready again with a fresh count of attempts: again. Else not_there, child (retry its parent), not_failed, superseded (a newer one of its supersede_key is open), or foreign_session (the session has become another user''s).';

create function drover.retry_failed(of_type text, of_code text, since timestamptz, of_workspace uuid, at_most integer,
		before timestamptz default null) returns setof bigint
	language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	dead bigint;
begin
	for dead in select r.id from public.agent_requests r
			where r.phase = 'failed' and r.parent_id is null
				and r.finished_at >= coalesce(since, '-infinity') and r.finished_at < coalesce(before, 'infinity')
				and (of_type is null or r.type = of_type) and (of_code is null or r.error_code = of_code)
				and (of_workspace is null or r.workspace_id = of_workspace)
				-- nor what a newer one of its key replaced, whatever became of that; apart, as above
				and (r.supersede_key is null or not exists (select from public.agent_requests n
					where n.user_id = r.user_id and n.supersede_key = r.supersede_key and n.generation > r.generation))
				and (r.supersede_key is null or r.user_id is not null or not exists (select from public.agent_requests n
					where n.user_id is null and n.supersede_key = r.supersede_key and n.generation > r.generation))
			order by r.finished_at, r.id limit at_most for update of r skip locked loop
		if drover.retry(dead) = 'again' then
			return next dead;
		end if;
	end loop;
end
$$;
comment on function drover.retry_failed(text, text, timestamptz, uuid, integer, timestamptz) is 'One step of a retry by type, error_code, workspace and time of the end (since, and before that what failed meanwhile is not taken twice); null = any. Oldest first; the ids. Call again until it returns none.';

-- ---- for apps ----

create function drover.acts_for(owner uuid) returns boolean
	language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	-- the role that the session took: inside a function of another owner current_user is that owner
	select coalesce(owner = auth.uid(), false) or pg_has_role(
		case current_setting('role') when 'none' then session_user else current_setting('role') end::name,
		'service_role', 'member')
$$;
comment on function drover.acts_for(uuid) is 'Whether the caller may act on requests of this user: their own, or anybody''s for service_role.';

create function drover.request_of_mine(of_request bigint) returns public.agent_requests
	language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	r public.agent_requests;
begin
	select q.* into r from public.agent_requests q where q.id = of_request;
	-- the same words for both: whether a number is taken is nobody's business
	if not found or not drover.acts_for(r.user_id) then
		raise exception 'request % is not there', coalesce(of_request::text, 'null') using errcode = 'PT404',
			hint = 'It was deleted, or it belongs to another user.';
	end if;
	return r;
end
$$;
comment on function drover.request_of_mine(bigint) is 'A request that the caller may act on; else PT404, which PostgREST answers as 404.';

create function drover.reason_of_mine(reason text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	if length(reason) > 500 then
		raise exception 'reason has % characters; at most 500 are kept', length(reason) using errcode = 'invalid_parameter_value';
	end if;
	return coalesce(nullif(btrim(reason), ''), 'cancelled');
end
$$;
comment on function drover.reason_of_mine(text) is 'The error of a request that its user cancels.';

create function public.cancel_request(request_id bigint, reason text default null) returns text
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	r public.agent_requests := drover.request_of_mine(request_id);
begin
	if not drover.end_request(r.id, 'cancelled', 'cancelled', drover.reason_of_mine(reason)) then
		return 'ended';
	end if;
	return (select case when q.status = 'failed' then 'cancelled' else 'stopping' end from public.agent_requests q where q.id = r.id);
end
$$;
comment on function public.cancel_request(bigint, text) is 'Cancels a request of the caller, its children with it. Returns cancelled (it waited, and has ended), stopping (it or a child runs and was told to stop; it ends soon, in phase cancelled) or ended (it had ended already). reason, at most 500 characters, becomes its error. Errors: PT404 (HTTP 404) it is not there or another user''s; 22023 the reason is too long.';

create function public.cancel_session(session_id uuid, reason text default null) returns integer
	language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	why text := drover.reason_of_mine(reason);
	open_one bigint;
	n integer := 0;
begin
	-- newest first, so that no end puts the next one in line
	for open_one in select o.id from (
			select q.id, q.user_id from public.agent_requests q
				where q.session_id = cancel_session.session_id and q.parent_id is null and q.status = 'queued'
			union all select q.id, q.user_id from public.agent_requests q
				where q.session_id = cancel_session.session_id and q.parent_id is null and q.status = 'processing') o
			where drover.acts_for(o.user_id) order by o.id desc limit 1000 loop
		n := n + drover.end_request(open_one, 'cancelled', 'cancelled', why)::integer;
	end loop;
	return n;
end
$$;
comment on function public.cancel_session(uuid, text) is 'The stop button of a conversation: cancels the caller''s open requests in it, at most 1000 at once, and returns how many; 0 also for a session that is not there or another user''s. What runs ends soon. Errors: 22023 the reason is longer than 500 characters.';

create function public.retry_request(request_id bigint) returns text
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	r public.agent_requests := drover.request_of_mine(request_id);
begin
	return drover.retry(r.id);
end
$$;
comment on function public.retry_request(bigint) is 'Runs a failed or cancelled request of the caller again; finished turns and tool calls are not repeated. Returns again, child (it belongs to a parent: retry that), not_failed (it is open or completed), superseded (a newer one of its supersede_key is open) or foreign_session (the session has become another user''s). Error: PT404 (HTTP 404) it is not there or another user''s.';

create function drover.count_ahead(r public.agent_requests) returns integer
	language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	most constant integer := 10000;
begin
	if r.phase = 'ready' then
		return (select count(*) from (select from public.agent_requests q
			where q.phase = 'ready' and (q.priority, q.id) < (r.priority, r.id) limit most) q);
	elsif r.phase = 'blocked' and r.blocked_on = 'session' then
		return (select count(*) from (
			select from public.agent_requests q where q.session_id = r.session_id and q.parent_id is null and q.status = 'processing'
			union all (select from public.agent_requests q where q.session_id = r.session_id and q.parent_id is null
				and q.status = 'queued' and case when q.phase = 'scheduled' then 1 else 0 end = 0 and q.id < r.id limit most)) q);
	elsif r.phase = 'blocked' then
		return (select count(*) from (select from public.agent_requests q
			where q.phase = 'blocked' and q.blocked_on = r.blocked_on and q.blocked_on <> 'session'
				and (q.priority, q.id) < (r.priority, r.id) limit most) q);
	end if;
	return null;
end
$$;
comment on function drover.count_ahead(public.agent_requests) is 'How many stand before a request in the line in which it stands, at most about 10000; null = in none.';

create function public.queue_position(request_id bigint)
	returns table (place integer, ahead integer, phase text, blocked_on text, blocked_by bigint, paused boolean, due_at timestamptz)
	language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	r public.agent_requests := drover.request_of_mine(request_id);
begin
	phase := r.phase;
	ahead := drover.count_ahead(r);
	place := ahead + 1;
	blocked_on := r.blocked_on;
	if r.blocked_on = 'session' then
		select q.id into blocked_by from public.agent_requests q
			where q.session_id = r.session_id and q.parent_id is null and q.status = 'processing' and drover.acts_for(q.user_id);
		if not found then
			select q.id into blocked_by from public.agent_requests q
				where q.session_id = r.session_id and q.parent_id is null and q.status = 'queued'
					and case when q.phase = 'scheduled' then 1 else 0 end = 0 and q.id < r.id and drover.acts_for(q.user_id)
				order by q.session_id, (case when q.phase = 'scheduled' then 1 else 0 end), q.id limit 1;
		end if;
	end if;
	paused := r.status in ('queued', 'processing') and (drover.is_paused('all', '') or drover.is_paused('type', r.type)
		or coalesce(drover.is_paused('workspace', r.workspace_id::text), false)
		or coalesce(drover.is_paused('user', r.user_id::text), false));
	due_at := case when r.phase in ('scheduled', 'retry_wait') then r.run_at end;
	return next;
end
$$;
comment on function public.queue_position(bigint) is 'Where a request of the caller stands; one row. place: 1 = next, null when it waits in no line (it runs, has ended, is not due, or waits for other requests). ahead: place - 1, counted to 10000 and no further: in phase ready among all that are ready, blocked on session among its session''s, blocked on a limit among those that wait for the same. blocked_by: the request of its session that runs or stands first. paused: an operator has stopped the queue, or its type, workspace or user. due_at: when it is due, in phases scheduled and retry_wait. Error: PT404 (HTTP 404) it is not there or another user''s.';

-- ---- pauses and limits, for operators ----

create function drover.limit_key(of_scope text, of_key text) returns text
	language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	if of_scope is null or of_scope <> all ('{all,type,workspace,user}') then
		raise exception 'the scope is all, type, workspace or user, not %', coalesce(quote_literal(of_scope), 'null')
			using errcode = 'invalid_parameter_value';
	elsif of_scope = 'all' and coalesce(of_key, '') <> '' then
		raise exception 'scope all has no key, so not %', quote_literal(of_key) using errcode = 'invalid_parameter_value';
	elsif of_scope = 'type' and (of_key is null or length(of_key) not between 1 and 64) then
		raise exception 'the key of scope type is the name of a type, 1 to 64 characters, or *' using errcode = 'invalid_parameter_value';
	elsif of_scope in ('workspace', 'user') and (of_key is null
			or of_key !~* '^(\*|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$') then
		raise exception 'the key of scope % is a uuid, or *', of_scope using errcode = 'invalid_parameter_value';
	end if;
	-- as blocked_on and permits write it
	return case of_scope when 'all' then '' when 'type' then of_key else lower(of_key) end;
end
$$;
comment on function drover.limit_key(text, text) is 'The key as drover.limits keeps it; an error (22023) when it does not fit its scope.';

create function drover.count_running(of_scope text, of_key text) returns void
	language sql set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
	insert into drover.permits (key, request_id, version)
		select drover.permit_key(of_scope, x.own), r.id, r.version from public.agent_requests r
		cross join lateral (select case of_scope when 'all' then '' when 'type' then r.type
			when 'workspace' then r.workspace_id::text else r.user_id::text end as own) x
		where r.status = 'processing' and r.phase = 'running' and x.own is not null and of_key in (x.own, '*')
			and drover.max_running(of_scope, x.own, '{}') is not null
		on conflict (key, request_id) do nothing
$$;
comment on function drover.count_running(text, text) is 'What runs when a limit is made takes its places like what comes after.';

create function drover.give_room(of_scope text, of_key text, at_most integer) returns integer
	language plpgsql set search_path = pg_catalog, pg_temp set enable_bitmapscan = off set enable_seqscan = off set jit = off as $$
declare
	many_keys constant integer := 10000;
	parked_on text := case of_scope when 'all' then '' else of_scope || ':' end;
	n integer := 0;
begin
	perform drover.lock_limits(); -- a claim that has seen the old state has parked by now
	perform drover.count_running(of_scope, of_key);
	for i in 1 .. many_keys loop
		select w.blocked_on into parked_on from public.agent_requests w
			where w.phase = 'blocked' and w.blocked_on <> 'session' and w.blocked_on > parked_on
				and (of_key = '*' or w.blocked_on = drover.permit_key(of_scope, of_key))
			order by w.blocked_on limit 1;
		exit when parked_on is null or n >= at_most or not (of_scope = 'all' or starts_with(parked_on, of_scope || ':'));
		if starts_with(parked_on, of_scope) then
			n := n + drover.unpark_key(parked_on, least(at_most - n, coalesce(
				drover.room(of_scope, substr(parked_on, strpos(parked_on, ':') + 1), '{}'), at_most)));
		end if;
	end loop;
	if n > 0 then
		perform drover.wake();
	end if;
	return n;
end
$$;
comment on function drover.give_room(text, text, integer) is 'After a pause or a limit was lifted: makes what was parked for it a candidate again, as many as have room; how many. The workers'' upkeep does what is left.';

create function drover.drop_empty_limit(of_scope text, of_key text) returns void language sql set search_path = pg_catalog, pg_temp as $$
	delete from drover.limits l where l.scope = of_scope and l.key = of_key and l.max_running is null and l.weight = 1 and l.paused_at is null
$$;
comment on function drover.drop_empty_limit(text, text) is 'A row that says nothing would hide the row * of its scope.';

create function drover.pause(of_scope text, of_key text, why text default null) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	kept text := drover.limit_key(of_scope, of_key);
	was timestamptz;
begin
	if length(why) > 500 then
		raise exception 'the reason has % characters; at most 500 are kept', length(why) using errcode = 'invalid_parameter_value';
	end if;
	perform drover.lock_limits(); -- a claim that has seen no limit yet has ended by then
	insert into drover.limits as l (scope, key) values (of_scope, kept) on conflict (scope, key) do update set key = l.key
		returning l.paused_at into was;
	update drover.limits l set paused_at = coalesce(l.paused_at, now()), paused_why = coalesce(why, l.paused_why)
		where l.scope = of_scope and l.key = kept;
	return was is null;
end
$$;
comment on function drover.pause(text, text, text) is 'Nothing more of this scope (all, type, workspace, user) and key is claimed; what runs goes on. Key * is each one without a row of its own in drover.limits. False when it was paused already: then only the reason is new.';

create function drover.resume(of_scope text, of_key text) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	kept text := drover.limit_key(of_scope, of_key);
	was boolean;
begin
	perform drover.lock_limits(); -- as pause: the lock before the row
	update drover.limits l set paused_at = null, paused_why = null
		where l.scope = of_scope and l.key = kept and l.paused_at is not null;
	was := found;
	perform drover.drop_empty_limit(of_scope, kept);
	perform drover.give_room(of_scope, kept, 1000);
	if was then
		perform nextval('drover.returns');
		perform drover.wake();
	end if;
	return was;
end
$$;
comment on function drover.resume(text, text) is 'Ends a pause; the first 1000 that were parked are candidates at once, drover.give_room does more. False when it was not paused.';

create function drover.set_limit(of_scope text, of_key text, max_running integer, weight integer) returns void
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	kept text := drover.limit_key(of_scope, of_key);
begin
	if weight is not null and (of_scope not in ('workspace', 'user') or kept = '*') then
		raise exception 'a weight belongs to one workspace or user' using errcode = 'invalid_parameter_value';
	elsif max_running not between 0 and 1000000 or weight not between 1 and 1000 then
		raise exception 'max_running is 0 to 1000000, weight 1 to 1000' using errcode = 'invalid_parameter_value';
	end if;
	perform drover.lock_limits(); -- a claim that has seen no limit yet has ended by then
	insert into drover.limits as l (scope, key, max_running, weight) values (of_scope, kept, set_limit.max_running, coalesce(set_limit.weight, 1))
		on conflict (scope, key) do update
			set max_running = coalesce(set_limit.max_running, l.max_running), weight = coalesce(set_limit.weight, l.weight);
	perform drover.drop_empty_limit(of_scope, kept);
	perform drover.give_room(of_scope, kept, 1000);
	perform nextval('drover.returns');
	perform drover.wake();
end
$$;
comment on function drover.set_limit(text, text, integer, integer) is 'How many of this scope and key run at once, over all workers (0 = none), and the share of a workspace or user in fair order; null leaves a value as it is. What runs goes on. drover.clear_limit takes both back.';

create function drover.clear_limit(of_scope text, of_key text) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	kept text := drover.limit_key(of_scope, of_key);
	was boolean;
begin
	perform drover.lock_limits(); -- as set_limit: the lock before the row
	update drover.limits l set max_running = null, weight = 1
		where l.scope = of_scope and l.key = kept and (l.max_running is not null or l.weight <> 1);
	was := found;
	perform drover.drop_empty_limit(of_scope, kept);
	perform drover.give_room(of_scope, kept, 1000);
	perform nextval('drover.returns');
	perform drover.wake();
	return was;
end
$$;
comment on function drover.clear_limit(text, text) is 'Takes back limit and weight of a scope and key; a pause stays. False when there was neither.';

revoke execute on all functions in schema drover from public;
revoke execute on function public.cancel_request(bigint, text), public.cancel_session(uuid, text), public.retry_request(bigint),
	public.queue_position(bigint) from public, anon;
grant execute on function public.cancel_request(bigint, text), public.cancel_session(uuid, text), public.retry_request(bigint),
	public.queue_position(bigint) to authenticated, service_role;
grant select on drover.dead_letters to drover_worker;
grant execute on function drover.retry(bigint), drover.retry_failed(text, text, timestamptz, uuid, integer, timestamptz),
	drover.count_running(text, text), drover.give_room(text, text, integer), drover.pause(text, text, text), drover.resume(text, text),
	drover.set_limit(text, text, integer, integer), drover.clear_limit(text, text) to drover_worker;
