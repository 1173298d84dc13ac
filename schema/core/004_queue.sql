-- The queue's machinery: workers and their leases, the fence, waking, cancelling, children.
-- Locks: SHARE ROW EXCLUSIVE on agent_requests while its triggers are made.
create table drover.workers (
	id uuid primary key,
	host text not null,
	pid integer not null,
	version text not null,
	slots integer not null,
	running integer not null default 0,
	claimed bigint not null default 0,
	finished bigint not null default 0,
	wants_wake boolean not null default false,
	draining boolean not null default false,
	started_at timestamptz not null default now(),
	heartbeat_at timestamptz not null default now(),
	lease_until timestamptz not null
) with (fillfactor = 50);
comment on table drover.workers is 'One row a worker process, one lease a worker: when it runs out, others take over the requests of the worker.';
comment on column drover.workers.id is 'Made anew at each start of a process.';
comment on column drover.workers.host is 'Name of the machine.';
comment on column drover.workers.pid is 'Process id on that machine.';
comment on column drover.workers.version is 'Version of the program.';
comment on column drover.workers.slots is 'How many requests it takes at once.';
comment on column drover.workers.running is 'How many it had at the last heartbeat.';
comment on column drover.workers.claimed is 'How many it has claimed since its start, at the last heartbeat.';
comment on column drover.workers.finished is 'How many it has ended since its start, at the last heartbeat.';
comment on column drover.workers.wants_wake is 'It found less than it asked for: an insert should notify.';
comment on column drover.workers.draining is 'It is stopping and claims no more.';
comment on column drover.workers.started_at is 'When the process registered.';
comment on column drover.workers.heartbeat_at is 'When it last renewed its lease.';
comment on column drover.workers.lease_until is 'Until then its requests are its own. By the database''s clock.';
grant select, insert, update, delete on drover.workers to drover_worker;

create table drover.cancels (
	request_id bigint primary key,
	phase text not null check (phase in ('cancelled', 'superseded')),
	code text not null,
	why text not null,
	created_at timestamptz not null default clock_timestamp()
);
comment on table drover.cancels is 'Requests that are told to stop. Not in their own row: a running tool''s transaction holds that, and a cancel does not wait for it.';
comment on column drover.cancels.request_id is 'An open request; the row goes when it ends.';
comment on column drover.cancels.phase is 'How it is to end: cancelled or superseded.';
comment on column drover.cancels.code is 'Its error_code then.';
comment on column drover.cancels.why is 'Its error then.';
comment on column drover.cancels.created_at is 'When it was told.';
grant select, insert, delete on drover.cancels to drover_worker;

-- Goes up whenever a request becomes ready that may stand before others: a worker that skips what it has already seen looks
-- at all again. Not transactional, so it costs no lock.
create sequence drover.returns;
select setval('drover.returns', 1); -- else the first nextval would change nothing that can be seen
grant select, usage on sequence drover.returns to drover_worker;

-- Above 0 when a worker may be waiting: what an insert looks at first, without a query. Not transactional, so it is seen
-- before the worker that waits looks for the last time.
create sequence drover.waiting minvalue 0;
select setval('drover.waiting', 0);
grant select on sequence drover.waiting to public; -- the trigger's condition is evaluated as who inserts

-- Locks of tables need a right; anybody could take an advisory one, and stop the queue with it.
create table drover.waiting_count ();
comment on table drover.waiting_count is 'Empty: locked while it is noted who waits.';

create function drover.note_waiting() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	-- who counts waits for who has said so and not committed yet
	if new.wants_wake then
		lock table drover.waiting_count in row exclusive mode;
		perform setval('drover.waiting', 1);
	else
		lock table drover.waiting_count in share row exclusive mode;
		perform setval('drover.waiting', (select count(*) from drover.workers w where w.wants_wake and w.lease_until > clock_timestamp()));
	end if;
	return null;
end
$$;
comment on function drover.note_waiting() is 'Trigger: keeps drover.waiting above 0 while a worker wants to be woken.';
create trigger workers_waiting after update of wants_wake on drover.workers
	for each row when (old.wants_wake <> new.wants_wake) execute function drover.note_waiting();
create trigger workers_waiting_first after insert on drover.workers
	for each row when (new.wants_wake) execute function drover.note_waiting();

-- Channel drover_wake: there is work. Costs one look at a tiny table when nobody waits.
create function drover.wake() returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if exists (select from drover.workers w where w.wants_wake and w.lease_until > now()) then
		perform pg_notify('drover_wake', '');
	end if;
end
$$;
comment on function drover.wake() is 'Tells idle workers that there is work.';

create function drover.wake_on_insert() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	perform drover.wake();
	return null;
end
$$;
comment on function drover.wake_on_insert() is 'Trigger: wakes idle workers once a statement.';
create trigger agent_requests_wake after insert on public.agent_requests
	for each statement when (pg_sequence_last_value('drover.waiting'::regclass) > 0) execute function drover.wake_on_insert();

create function drover.fence(of_request bigint, claimed_version integer) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	-- share: many writers of one run at once, but no rescue before they have committed
	perform from public.agent_requests r
		where r.id = of_request and r.version = claimed_version and r.phase = 'running' for share;
	if not found then
		raise exception 'request % is no longer owned at version %', of_request, claimed_version using errcode = 'DV001';
	end if;
end
$$;
comment on function drover.fence(bigint, integer) is 'First statement of every write of a worker: raises DV001 unless the request still runs at this version, and keeps it so until commit.';

create function drover.fence_to_end(of_request bigint, claimed_version integer) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	-- alone from the start: to be alone only at the update would deadlock with a writer of the same log rows
	perform from public.agent_requests r where r.id = of_request for no key update;
	perform drover.fence(of_request, claimed_version);
end
$$;
comment on function drover.fence_to_end(bigint, integer) is 'The fence of a transaction that ends the run: waits for its other writers first.';

-- Volatile, so it looks anew: rows that were written while the statement that calls it waited are counted.
create function drover.last_seq(of_request bigint) returns integer
	language sql volatile set search_path = pg_catalog, pg_temp as $$
	select coalesce(max(l.seq), 0) from public.agent_logs l where l.request_id = of_request
$$;
comment on function drover.last_seq(bigint) is 'The seq of a request''s last log row; 0 = none.';

create function drover.free_waiting(ended bigint) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	child record;
	last_child boolean;
begin
	select r.parent_id, r.agents_involved into child from public.agent_requests r where r.id = ended;
	if child.parent_id is null then
		return;
	end if;
	perform nextval('drover.returns');
	update public.agent_requests p
		set waits_on = p.waits_on - 1,
			phase = case when p.waits_on <= 1 and not exists (select from drover.cancels c where c.request_id = p.id) then 'ready' else p.phase end,
			agents_involved = p.agents_involved || (select coalesce(array_agg(a), '{}') from unnest(child.agents_involved) a
				where a <> all (p.agents_involved))
		where p.id = child.parent_id and p.phase = 'waiting_children'
		returning p.waits_on = 0 into last_child;
	update public.agent_requests s
		set waits_on = s.waits_on - 1, phase = case when s.waits_on <= 1 then 'ready' else s.phase end
		where s.parent_id = child.parent_id and ended = any (s.depends_on) and s.phase = 'waiting_dependencies';
	if last_child then
		perform drover.end_request(c.request_id, c.phase, c.code, c.why) from drover.cancels c where c.request_id = child.parent_id;
	end if;
	perform drover.wake();
end
$$;
comment on function drover.free_waiting(bigint) is 'After a child has ended: its siblings and its parent wait for one less, and go on when nothing is left; a parent that was told to stop ends.';

create function drover.spawn_children(parent bigint, claimed_version integer, children jsonb) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	child jsonb;
	ids bigint[] := '{}';
	made bigint;
	needs bigint[];
begin
	perform drover.fence(parent, claimed_version);
	for child in select value from jsonb_array_elements(children) loop
		select coalesce(array_agg(distinct ids[n::integer + 1]), '{}') into needs from jsonb_array_elements_text(child -> 'after') n;
		insert into public.agent_requests (session_id, user_id, workspace_id, parent_id, depends_on, type, request, context,
				priority, dry_run, phase, waits_on)
			select r.session_id, r.user_id, r.workspace_id, r.id, needs, child ->> 'type', child ->> 'request', r.context,
				r.priority, r.dry_run, case when needs = '{}' then 'ready' else 'waiting_dependencies' end, cardinality(needs)
			from public.agent_requests r where r.id = parent
			returning id into made;
		ids := ids || made;
	end loop;
	update public.agent_requests set phase = 'waiting_children', waits_on = cardinality(ids), version = version + 1,
		attempt = attempt - 1, worker_id = null where id = parent;
	perform drover.return_permits(array[parent]);
	perform drover.end_if_told(parent);
end
$$;
comment on function drover.spawn_children(bigint, integer, jsonb) is 'Makes the child requests [{type, request, after: [indexes]}] and lets the parent wait for them without a worker.';

create function drover.queue_log(of_request bigint, log_kind text, log_message text, log_data jsonb) returns void
	language sql set search_path = pg_catalog, pg_temp as $$
	insert into public.agent_logs (session_id, request_id, user_id, seq, attempt, agent_name, kind, message, data)
		select r.session_id, r.id, r.user_id,
			drover.last_seq(r.id) + 1, r.attempt, 'drover', log_kind, log_message, log_data
		from public.agent_requests r where r.id = of_request
$$;
comment on function drover.queue_log(bigint, text, text, jsonb) is 'A log row by the queue itself, for a request that no worker owns any more.';

create function drover.parked_heads(sessions uuid[]) returns setof bigint language sql stable set search_path = pg_catalog, pg_temp as $$
	select head.id from unnest(sessions) as asked (s)
	cross join lateral (select w.id, w.phase, w.blocked_on from public.agent_requests w
		where w.session_id = asked.s and w.parent_id is null and w.status = 'queued' and case when w.phase = 'scheduled' then 1 else 0 end = 0
		order by w.session_id, (case when w.phase = 'scheduled' then 1 else 0 end), w.id limit 1) head
	where head.phase = 'blocked' and head.blocked_on = 'session'
	order by head.id
$$;
comment on function drover.parked_heads(uuid[]) is 'The first in line of these sessions, where it is parked behind its session.';

create function drover.unpark_sessions(sessions uuid[]) returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	n integer;
begin
	if not exists (select from public.agent_requests w where w.phase = 'blocked' and w.blocked_on = 'session') then
		return 0;
	end if;
	update public.agent_requests r set phase = 'ready', blocked_on = null
		where r.id = any (array(select h from drover.parked_heads(sessions) h))
			and coalesce(r.blocked_on, '') = 'session'; -- still, after a wait for its lock
	get diagnostics n = row_count;
	if n > 0 then
		perform nextval('drover.returns');
	end if;
	return n;
end
$$;
comment on function drover.unpark_sessions(uuid[]) is 'After requests of these sessions have ended: the next in line of each is a candidate again.';

create function drover.end_request(of_request bigint, new_phase text, code text, why text) returns boolean
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	child bigint;
	running_child boolean;
	told integer;
	r record;
begin
	-- the order of locks, here and where runs end: who runs, then the parent, then its children that wait
	perform from public.agent_requests p where p.phase = 'waiting_children'
		and p.id = (select q.parent_id from public.agent_requests q where q.id = of_request) for no key update;
	insert into drover.cancels (request_id, phase, code, why)
		select q.id, new_phase, code, why from public.agent_requests q
			where q.id = of_request and q.status in ('queued', 'processing')
		on conflict do nothing;
	get diagnostics told = row_count;
	for child in select q.id from public.agent_requests q
			where q.parent_id = of_request and q.status in ('queued', 'processing') order by q.id loop
		perform drover.end_request(child, new_phase, code, why);
	end loop;
	select q.phase, q.status into r from public.agent_requests q where q.id = of_request;
	if r.phase <> 'running' then -- a running one's row may be held by its tool's transaction
		select q.phase, q.status, q.session_id, q.parent_id into r from public.agent_requests q where q.id = of_request for update;
	end if;
	if r.phase is null or r.status in ('completed', 'failed') then
		delete from drover.cancels c where c.request_id = of_request;
		return told > 0 and r.phase = new_phase; -- with the last of its children
	end if;
	running_child := exists (select from public.agent_requests q where q.parent_id = of_request and q.status in ('queued', 'processing'));
	if r.phase = 'running' or running_child then -- a parent ends with its last child: until then the session is not free
		perform pg_notify('drover_cancel', of_request::text);
		return true;
	end if;
	update public.agent_requests
		set status = 'failed', phase = new_phase, error = why, error_code = code, version = version + 1, waits_on = 0,
			blocked_on = null, worker_id = null, finished_at = clock_timestamp(),
			processing_time_ms = least(coalesce(extract(epoch from clock_timestamp() - started_at) * 1000, 0), 2147483647)
		where id = of_request;
	delete from drover.cancels c where c.request_id = of_request;
	perform drover.queue_log(of_request, 'error', why, jsonb_build_object('code', code));
	perform drover.free_waiting(of_request);
	if r.parent_id is null and drover.unpark_sessions(array[r.session_id]) > 0 then
		perform drover.wake();
	end if;
	return true;
end
$$;
comment on function drover.end_request(bigint, text, text, text) is 'Ends an open request and its children: one that waits at once, one that runs is told to stop (drover.cancels, channel drover_cancel). False when it had ended already.';

create function drover.end_if_told(of_request bigint) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform drover.end_request(c.request_id, c.phase, c.code, c.why) from drover.cancels c where c.request_id = of_request;
end
$$;
comment on function drover.end_if_told(bigint) is 'When a request is given back or put aside: one that was told to stop ends instead.';

create function drover.forget_children() returns trigger language plpgsql security definer
	set search_path = pg_catalog, pg_temp as $$
begin
	delete from drover.cancels c using gone where c.request_id = gone.id;
	update public.agent_requests s
		set waits_on = s.waits_on - fewer.n, phase = case when s.waits_on <= fewer.n then 'ready' else s.phase end
		from (select w.id, count(*) as n from public.agent_requests w
			join gone on gone.parent_id = w.parent_id and gone.id = any (w.depends_on) and gone.finished_at is null
			where w.phase = 'waiting_dependencies' group by w.id) fewer
		where s.id = fewer.id;
	-- less by what is gone, not counted anew: a sibling's end may not be committed yet
	update public.agent_requests p
		set waits_on = p.waits_on - fewer.n, phase = case when p.waits_on <= fewer.n then 'ready' else p.phase end
		from (select gone.parent_id, count(*) as n from gone
			where gone.parent_id is not null and gone.finished_at is null group by 1) fewer
		where p.id = fewer.parent_id and p.phase = 'waiting_children';
	perform drover.unpark_sessions(array(select distinct gone.session_id from gone where gone.parent_id is null and gone.finished_at is null));
	if exists (select from gone where gone.finished_at is null) then
		perform nextval('drover.returns');
		perform drover.wake();
	end if;
	return null;
end
$$;
comment on function drover.forget_children() is 'Trigger: who waits for an open request that is deleted waits for one less.';
create trigger agent_requests_forget_children after delete on public.agent_requests
	referencing old table as gone for each statement execute function drover.forget_children();

create function drover.lock_keys(of_user uuid, key text) returns void language sql set search_path = pg_catalog, pg_temp as $$
	-- one a user, however many keys: locks come from a store that the whole cluster shares
	select pg_advisory_xact_lock(1685221239, hashtext(coalesce(of_user::text, key)))
$$;
comment on function drover.lock_keys(uuid, text) is 'Until commit nobody else supersedes requests of this user; of the server''s own, those of this key.';

create function drover.supersede() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	older bigint;
	newest bigint;
begin
	-- two that come at once must see each other
	perform drover.lock_keys(new.user_id, new.supersede_key);
	for older, newest in
		-- not by id: who waited for the lock may have the lower one
		select r.id, first_value(r.id) over (order by r.generation desc) from public.agent_requests r
			where r.supersede_key = new.supersede_key and r.user_id is not distinct from new.user_id
				and r.parent_id is null and r.status in ('queued', 'processing')
			order by r.id loop
		if older <> newest then
			perform drover.end_request(older, 'superseded', 'superseded', format('superseded by request %s', newest));
		end if;
	end loop;
	return null;
end
$$;
comment on function drover.supersede() is 'Trigger: the newest request of a supersede_key cancels the older open ones of the same user.';
create trigger agent_requests_supersede after insert on public.agent_requests
	for each row when (new.supersede_key is not null) execute function drover.supersede();

-- The worker's role may lack USAGE on Supabase's schema auth.
create function drover.caller() returns uuid
	language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select auth.uid()
$$;
comment on function drover.caller() is 'auth.uid(), for roles that may not look into schema auth.';

grant select on drover.migrations to drover_worker;
revoke execute on all functions in schema drover from public;
grant execute on function drover.session_open_to_me(uuid) to authenticated;
-- No trigger function: who may execute one can put it on a table of its own, and has its owner's rights there.
grant execute on function drover.caller(), drover.wake(), drover.fence(bigint, integer), drover.fence_to_end(bigint, integer),
	drover.last_seq(bigint), drover.free_waiting(bigint), drover.spawn_children(bigint, integer, jsonb),
	drover.queue_log(bigint, text, text, jsonb), drover.lock_keys(uuid, text), drover.parked_heads(uuid[]), drover.unpark_sessions(uuid[]), drover.end_request(bigint, text, text, text),
	drover.end_if_told(bigint) to drover_worker;
