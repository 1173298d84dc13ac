-- What the soak adds to its own test database: the history that the checker reads, and a switch for a disk that is full.
-- chaos.tick is the order of things: a number is drawn after what it depends on has been committed.
create schema chaos;
create sequence chaos.tick cache 1;

create table chaos.history (
	tick bigint primary key default nextval('chaos.tick'),
	at timestamptz not null default clock_timestamp(),
	asked_at timestamptz not null default statement_timestamp(),
	xid xid not null default pg_current_xact_id()::xid,
	op text not null,
	request_id bigint not null,
	session_id uuid not null,
	parent_id bigint,
	status text not null,
	phase text not null,
	version integer not null,
	attempt integer not null,
	worker_id uuid
);
-- Every claim, as the agent that runs it sees it. Outside of every fence.
create table chaos.runs (
	tick bigint primary key default nextval('chaos.tick'),
	at timestamptz not null default clock_timestamp(),
	request_id bigint not null,
	version integer not null,
	attempt integer not null,
	pid integer not null
);
-- No unique constraint: what happens twice must be seen twice.
create table chaos.effects (
	tick bigint primary key default nextval('chaos.tick'),
	at timestamptz not null default clock_timestamp(),
	request_id bigint not null,
	session_id uuid not null,
	call integer not null,
	version integer not null,
	pid integer not null
);
create table chaos.workers (
	tick bigint primary key default nextval('chaos.tick'),
	at timestamptz not null default clock_timestamp(),
	id uuid not null,
	pid integer not null
);
create table chaos.switches (disk_full real not null);
insert into chaos.switches values (0);

-- After the row, so that the number is drawn when the change has waited for whatever it had to wait for; named to be the
-- first of its triggers, for others change more rows.
create function chaos.note_request() returns trigger language plpgsql security definer as $$
declare
	r public.agent_requests := case when tg_op = 'DELETE' then old else new end;
begin
	insert into chaos.history (op, request_id, session_id, parent_id, status, phase, version, attempt, worker_id)
	values (lower(tg_op), r.id, r.session_id, r.parent_id, r.status, r.phase, r.version, r.attempt, r.worker_id);
	return null;
end
$$;
create trigger a_chaos_note_made after insert or delete on public.agent_requests
	for each row execute function chaos.note_request();
create trigger a_chaos_note after update on public.agent_requests for each row
	when ((old.status, old.phase, old.version, old.worker_id)
		is distinct from (new.status, new.phase, new.version, new.worker_id))
	execute function chaos.note_request();

create function chaos.note_worker() returns trigger language plpgsql security definer as $$
begin
	insert into chaos.workers (id, pid) values (new.id, new.pid);
	return null;
end
$$;
create trigger chaos_note_worker after insert on drover.workers for each row execute function chaos.note_worker();

-- As Postgres says it when the disk is full; some get through, as when somebody frees a little space.
create function chaos.fill_disk() returns trigger language plpgsql security definer as $$
begin
	if random() < (select disk_full from chaos.switches) then
		raise exception 'could not extend file: No space left on device' using errcode = '53100',
			hint = 'Check free disk space.';
	end if;
	return null;
end
$$;
create trigger chaos_disk before insert on public.agent_logs for each statement execute function chaos.fill_disk();
create trigger chaos_disk before update on public.agent_requests for each statement execute function chaos.fill_disk();
create trigger chaos_disk before insert on public.agent_turns for each statement execute function chaos.fill_disk();

grant usage on schema chaos to drover_worker;
grant usage on sequence chaos.tick to drover_worker;
grant insert on chaos.runs, chaos.effects to drover_worker;
grant select on chaos.effects to drover_worker;
