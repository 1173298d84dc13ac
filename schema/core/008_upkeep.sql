-- Upkeep: what has ended is pruned or archived by age, in small steps; and when each table of the queue is vacuumed.
-- Locks: SHARE UPDATE EXCLUSIVE on agent_requests, agent_sessions, agent_logs, agent_turns, tool_executions, drover.workers, drover.permits, drover.cancels.
create table drover.pruning (
	task text primary key check (task in ('requests', 'logs')),
	place bigint not null default 0,
	pass_began_at timestamptz not null default now(),
	done_at timestamptz,
	pruned bigint not null default 0
) with (fillfactor = 50);
comment on table drover.pruning is 'How far pruning has come: it walks each table by id, a few rows a step, and begins anew now and then.';
comment on column drover.pruning.task is 'requests or logs.';
comment on column drover.pruning.place is 'Id of the last row that was looked at.';
comment on column drover.pruning.pass_began_at is 'When the walk last began at the lowest id.';
comment on column drover.pruning.done_at is 'When it last came to rows too young to be pruned. Before pass_began_at: it is still on its way there.';
comment on column drover.pruning.pruned is 'How many rows it has pruned so far.';
grant select on drover.pruning to drover_worker;

insert into drover.pruning (task) values ('requests'), ('logs');

create table drover.retention_floor (
	only_row boolean primary key default true check (only_row),
	age interval not null default '1 hour' check (age >= interval '1 hour'),
	archive boolean not null default false
);
comment on table drover.retention_floor is 'What the owner of the database insists on, whatever a worker is told: workers cannot change it.';
comment on column drover.retention_floor.only_row is 'There is one row.';
comment on column drover.retention_floor.age is 'Nothing younger is pruned.';
comment on column drover.retention_floor.archive is 'Requests are archived in any case.';
insert into drover.retention_floor default values;

-- archived_at first: a column that is later added to both tables is the last of both, and the rows still fit.
create table drover.archived_requests (
	archived_at timestamptz not null default now(),
	like public.agent_requests including comments
);
comment on table drover.archived_requests is 'Requests that retention.archive kept when they were pruned, as they ended; without logs, turns and tool executions. For the operator: nothing in Drover reads it.';
comment on column drover.archived_requests.archived_at is 'When the row was moved here.';
-- Rows come about in order of id: a few bytes for each thousand of them.
create index archived_requests_id on drover.archived_requests using brin (id) with (autosummarize = on);

create function drover.prune_begin(which text, keep interval) returns bigint
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	found_at bigint;
begin
	insert into drover.pruning (task) values (which) on conflict (task) do nothing;
	-- What a pass left (locked, still open, kept longer) is looked at again by the next one: at most a day late.
	update drover.pruning set place = 0, pass_began_at = now()
		where task = which and done_at >= pass_began_at
			and pass_began_at < now() - least(greatest(keep / 10, interval '1 minute'), interval '1 day');
	select u.place into found_at from drover.pruning u where u.task = which;
	return found_at;
end
$$;
comment on function drover.prune_begin(text, interval) is 'Where pruning goes on; a new pass when the last one is over and a tenth of the shortest keeping time ago.';

create function drover.prune_end(which text, new_place bigint, at_end boolean, gone bigint) returns void
	language sql set search_path = pg_catalog, pg_temp as $$
	update drover.pruning u set place = greatest(u.place, new_place), pruned = u.pruned + gone,
			done_at = case when at_end then now() else u.done_at end
		where u.task = which and (u.place < new_place or gone > 0
			or (at_end and (u.done_at is null or u.done_at < greatest(u.pass_began_at, now() - interval '1 minute'))))
$$;
comment on function drover.prune_end(text, bigint, boolean, bigint) is 'Notes where a step of pruning ended; writes nothing when there is nothing new.';

create function drover.prune_logs(keep interval, at_most integer, out gone bigint, out more boolean)
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	place bigint := drover.prune_begin('logs', keep);
	last_old bigint;
	looked bigint;
	ends_old boolean;
begin
	with rows as materialized (
		select l.id, l.request_id, l.seq, l."timestamp" < now() - keep as old
		from public.agent_logs l where l.id > place order by l.id limit at_most
	), deleted as (
		delete from public.agent_logs l
		where l.id = any (array(select x.id from rows x where x.old))
			-- a request's next row takes its number from its last one: of those that may still run, the last stays
			and not exists (select from public.agent_requests r where r.id = l.request_id
				and (r.status in ('queued', 'processing') or (r.status = 'failed' and l.seq = drover.last_seq(r.id))))
		returning 1
	)
	select (select count(*) from deleted), count(*), max(rows.id) filter (where rows.old),
			(select r.old from rows r order by r.id desc limit 1)
		into gone, looked, last_old, ends_old from rows;
	more := looked = at_most and ends_old;
	perform drover.prune_end('logs', coalesce(last_old, place), not more, gone);
end
$$;
comment on function drover.prune_logs(interval, integer) is 'One step: looks at the next log rows and deletes those that are older than keep and whose request has ended.';

create function drover.whole_trees(roots bigint[]) returns table (id bigint, root bigint)
	language sql volatile set search_path = pg_catalog, pg_temp as $$
	with recursive family as (
		select r.id, r.id as root from unnest(roots) r (id)
		union all
		select c.id, f.root from family f join public.agent_requests c on c.parent_id = f.id
	), ended as materialized (
		select r.id from public.agent_requests r
		where r.id = any (array(select f.id from family f)) and r.status in ('completed', 'failed')
		for update skip locked
	)
	select f.id, f.root from family f
	where f.root not in (select g.root from family g where g.id not in (select e.id from ended e))
$$;
comment on function drover.whole_trees(bigint[]) is 'Requests with all their descendants, locked; without the trees of which a request is open or locked by another.';

create function drover.prune_requests(completed interval, failed interval, cancelled interval, archive boolean,
	at_most integer, rows_at_most integer, out gone bigint, out more boolean)
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	shortest interval := least(completed, failed, cancelled);
	place bigint := drover.prune_begin('requests', shortest);
	looked bigint;
	ends_old boolean;
	new_place bigint;
	due bigint[];
	trees bigint[];
	ids bigint[];
	cut bigint;
begin
	with rows as materialized (
		select r.id, r.created_at < now() - shortest as old, r.parent_id is null
				-- a worker could write finished_at, but not when a request was made
				and r.created_at < now() - (select f.age from drover.retention_floor f) and r.finished_at < now() -
				case r.phase when 'completed' then completed when 'failed' then failed else cancelled end as is_due
		from public.agent_requests r where r.id > place order by r.id limit 4 * at_most
	)
	select count(*), coalesce(max(rows.id) filter (where rows.old), place), (select r.old from rows r order by r.id desc limit 1),
			(array_agg(rows.id order by rows.id) filter (where rows.is_due))[1:at_most],
			(array_agg(rows.id order by rows.id) filter (where rows.is_due))[at_most + 1]
		into looked, new_place, ends_old, due, cut from rows;
	more := cut is not null or (looked = 4 * at_most and ends_old);

	-- as many trees as fit, and at least one: their rows are counted by the ends of two indexes
	with tree as materialized (select t.id, t.root from drover.whole_trees(due) t),
	heavy as (
		select t.root, sum(1 + coalesce((select max(l.seq) - min(l.seq) + 1 from public.agent_logs l where l.request_id = t.id), 0)
			+ coalesce((select max(n.sequence_number) from public.agent_turns n where n.request_id = t.id), 0)) as weight
		from tree t group by t.root
	), fits as (
		select h.root, sum(h.weight) over (order by h.root) <= rows_at_most or row_number() over (order by h.root) = 1 as fits
		from heavy h
	)
	select array_agg(t.id) filter (where f.fits), array_agg(distinct t.root) filter (where f.fits),
			least(cut, min(f.root) filter (where not f.fits))
		into ids, trees, cut from tree t join fits f on f.root = t.root;
	if cut is not null then
		more := true;
		new_place := least(new_place, cut - 1);
	end if;

	gone := 0;
	if cardinality(trees) = 1 then -- it may have more logs than a step should delete
		delete from public.agent_logs l where l.id = any (array(
			select m.id from public.agent_logs m where m.request_id = any (ids) limit rows_at_most));
		get diagnostics gone = row_count;
	end if;
	if gone = rows_at_most then
		gone := 0;
		more := true;
		new_place := trees[1] - 1;
	elsif ids is not null then
		if archive then
			insert into drover.archived_requests select now(), r.* from public.agent_requests r where r.id = any (ids);
		end if;
		delete from public.agent_requests r where r.id = any (ids);
		get diagnostics gone = row_count;
	end if;
	perform drover.prune_end('requests', new_place, not more, gone);
end
$$;
comment on function drover.prune_requests(interval, interval, interval, boolean, integer, integer) is 'One step: looks at the next requests and deletes those that ended long enough ago, each with all its descendants, logs, turns and tool executions.';

create function drover.prune(completed_ms bigint, failed_ms bigint, cancelled_ms bigint, logs_ms bigint, archive boolean,
	at_most integer, rows_at_most integer, out requests bigint, out logs bigint, out more boolean)
	language plpgsql security definer set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	more_logs boolean := false;
	least_kept drover.retention_floor;
	ms constant interval := interval '1 millisecond';
begin
	-- the worker's own role cannot delete: not even by a mistake in its options what is younger than this
	select * into least_kept from drover.retention_floor;
	least_kept.age := coalesce(least_kept.age, interval '1 hour');
	if least(nullif(completed_ms, 0), nullif(failed_ms, 0), nullif(cancelled_ms, 0), nullif(logs_ms, 0)) * ms < least_kept.age then
		raise exception 'what ended less than % ago is not pruned (drover.retention_floor)', least_kept.age using errcode = 'invalid_parameter_value';
	end if;
	requests := 0;
	logs := 0;
	more := false;
	perform from drover.pruning u where u.task = 'requests' for update skip locked;
	if not found then -- another worker is at it
		return;
	end if;
	if logs_ms > 0 then
		select p.gone, p.more into logs, more_logs from drover.prune_logs(logs_ms * ms, rows_at_most) p;
	end if;
	if greatest(completed_ms, failed_ms, cancelled_ms) > 0 then
		select p.gone, p.more into requests, more from drover.prune_requests(nullif(completed_ms, 0) * ms,
			nullif(failed_ms, 0) * ms, nullif(cancelled_ms, 0) * ms, archive or least_kept.archive, at_most, rows_at_most) p;
	end if;
	more := more or more_logs;
end
$$;
comment on function drover.prune(bigint, bigint, bigint, bigint, boolean, integer, integer) is 'One short step of pruning, by one worker at a time; ages in milliseconds, 0 = keep for ever. more: there is more to do at once.';

revoke execute on all functions in schema drover from public;
grant execute on function drover.prune(bigint, bigint, bigint, bigint, boolean, integer, integer) to drover_worker;

-- ---- when tables are vacuumed ----
-- By numbers of rows, not by shares of a table: what slows a claim is how many dead rows lie in its way, and a share of
-- ten million rows is never reached in time. No cost delay where a late vacuum is dearer than a busy disk.

-- Each request leaves two or three dead rows behind. Its indexes are always cleaned: where few pages of a large table have
-- dead rows vacuum would leave the indexes out, and each claim read through all that was ever ready (measured at ten million
-- ended requests: after 60,000 more 231 pages a claim instead of 1; a vacuum with indexes took 1.1 s). No fillfactor: each
-- change of phase is in some index's predicate, so no update is HOT, and at 80 neither size nor WAL was smaller.
alter table public.agent_requests set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
	vacuum_index_cleanup = on,
	toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 50000
);
-- One update a request.
alter table public.agent_sessions set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);
-- Only inserts, and deletes of the oldest by pruning. Inserted rows are vacuumed in steps of some seconds' work, so that
-- the freeze that must come at some time finds little to do; the place of the deleted is used again.
alter table public.agent_logs set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500000,
	toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 100000,
	toast.autovacuum_vacuum_insert_scale_factor = 0, toast.autovacuum_vacuum_insert_threshold = 500000
);
alter table public.agent_turns set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 200000,
	toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 50000
);
alter table public.tool_executions set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 200000,
	toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 50000
);
-- Few rows that change all the time, and are read by every insert, claim or finish: a vacuum costs nothing here.
alter table drover.workers set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0
);
alter table drover.permits set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000, vacuum_index_cleanup = on
);
alter table drover.cancels set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);
alter table drover.pruning set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0
);
