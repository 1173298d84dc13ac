-- Module psa, resourcing: people, their skills, working hours and leave, and what they are booked for.
-- Locks: SHARE ROW EXCLUSIVE on psa.projects, psa.roles, psa.tasks, psa.workspaces while the foreign keys are made.

create table psa.calendars (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	name text not null check (char_length(name) between 1 and 100),
	tz text not null default 'UTC',
	primary key (workspace_id, id)
);
create unique index calendars_name on psa.calendars (workspace_id, lower(name));
comment on table psa.calendars is 'Working weeks that people share.';
comment on column psa.calendars.workspace_id is 'The workspace.';
comment on column psa.calendars.id is 'Key.';
comment on column psa.calendars.name is 'Name, unique in the workspace whatever its case.';
comment on column psa.calendars.tz is 'IANA time zone of the hours; a booked day is a day there.';
call psa.protect('psa.calendars');

create table psa.calendar_hours (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	calendar_id uuid not null,
	weekday int not null check (weekday between 1 and 7),
	from_min int not null check (from_min between 0 and 1439),
	to_min int not null check (to_min between 1 and 1440),
	primary key (workspace_id, calendar_id, weekday, from_min),
	foreign key (workspace_id, calendar_id) references psa.calendars,
	constraint from_before_to check (from_min < to_min),
	constraint hours_do_not_overlap
		exclude using gist (calendar_id with =, weekday with =, int4range(from_min, to_min) with &&)
);
comment on table psa.calendar_hours is 'Working hours of each weekday; no row: a free day.';
comment on column psa.calendar_hours.workspace_id is 'The workspace.';
comment on column psa.calendar_hours.calendar_id is 'psa.calendars.id.';
comment on column psa.calendar_hours.weekday is '1 Monday to 7 Sunday.';
comment on column psa.calendar_hours.from_min is 'First working minute of the day.';
comment on column psa.calendar_hours.to_min is 'Minute at which work ends.';
call psa.protect('psa.calendar_hours');

create table psa.calendar_exceptions (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	calendar_id uuid not null,
	day date not null,
	name text not null,
	minutes int not null default 0 check (minutes between 0 and 1440),
	primary key (workspace_id, calendar_id, day),
	foreign key (workspace_id, calendar_id) references psa.calendars
);
comment on table psa.calendar_exceptions is 'Days that differ from the week: holidays, short days.';
comment on column psa.calendar_exceptions.workspace_id is 'The workspace.';
comment on column psa.calendar_exceptions.calendar_id is 'psa.calendars.id.';
comment on column psa.calendar_exceptions.day is 'The day.';
comment on column psa.calendar_exceptions.name is 'What day it is.';
comment on column psa.calendar_exceptions.minutes is 'Working minutes of that day; 0: a holiday.';
call psa.protect('psa.calendar_exceptions');

create table psa.skills (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	name text not null check (char_length(name) between 1 and 100),
	primary key (workspace_id, id)
);
create unique index skills_name on psa.skills (workspace_id, lower(name));
comment on table psa.skills is 'What people can do.';
comment on column psa.skills.workspace_id is 'The workspace.';
comment on column psa.skills.id is 'Key.';
comment on column psa.skills.name is 'Name, unique in the workspace whatever its case: how tools name it.';
call psa.protect('psa.skills');

create table psa.resources (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	name text not null check (char_length(name) between 1 and 200),
	kind text not null default 'person' check (kind in ('person', 'generic', 'equipment')),
	user_id uuid,
	role_id uuid not null,
	calendar_id uuid not null,
	active daterange not null default daterange(null, null) check (not isempty(active)),
	primary key (workspace_id, id),
	foreign key (workspace_id, role_id) references psa.roles,
	foreign key (workspace_id, calendar_id) references psa.calendars
);
create unique index resources_name on psa.resources (workspace_id, lower(name));
create index resources_role on psa.resources (workspace_id, role_id);
comment on table psa.resources is 'People and things that can be booked.';
comment on column psa.resources.workspace_id is 'The workspace.';
comment on column psa.resources.id is 'Key.';
comment on column psa.resources.name is 'Name, unique in the workspace whatever its case: how tools name it.';
comment on column psa.resources.kind is 'person, generic (a place holder), equipment.';
comment on column psa.resources.user_id is 'The person''s own user, if there is one.';
comment on column psa.resources.role_id is 'psa.roles.id: the main role.';
comment on column psa.resources.calendar_id is 'psa.calendars.id: whose hours apply.';
comment on column psa.resources.active is 'Days with us; open ends are unbounded.';
call psa.protect('psa.resources');

create table psa.resource_skills (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	resource_id uuid not null,
	skill_id uuid not null,
	level int not null check (level between 0 and 100),
	verified_at timestamptz,
	primary key (workspace_id, resource_id, skill_id),
	foreign key (workspace_id, resource_id) references psa.resources,
	foreign key (workspace_id, skill_id) references psa.skills
);
create index resource_skills_skill on psa.resource_skills (workspace_id, skill_id);
comment on table psa.resource_skills is 'Who can do what, how well.';
comment on column psa.resource_skills.workspace_id is 'The workspace.';
comment on column psa.resource_skills.resource_id is 'psa.resources.id.';
comment on column psa.resource_skills.skill_id is 'psa.skills.id.';
comment on column psa.resource_skills.level is '0 none to 100 expert.';
comment on column psa.resource_skills.verified_at is 'When somebody else confirmed the level; null: own word.';
call psa.protect('psa.resource_skills');

create table psa.leaves (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	resource_id uuid not null,
	during daterange not null check (not isempty(during) and not lower_inf(during) and not upper_inf(during)),
	type text not null check (type in ('annual', 'special', 'sick', 'unpaid')),
	status text not null default 'requested' check (status in ('requested', 'approved', 'rejected')),
	primary key (workspace_id, id),
	foreign key (workspace_id, resource_id) references psa.resources,
	constraint leaves_do_not_overlap exclude using gist (resource_id with =, during with &&)
		where (status <> 'rejected')
);
create index leaves_resource on psa.leaves (workspace_id, resource_id);
comment on table psa.leaves is 'Whole days off.';
comment on column psa.leaves.workspace_id is 'The workspace.';
comment on column psa.leaves.id is 'Key.';
comment on column psa.leaves.resource_id is 'psa.resources.id.';
comment on column psa.leaves.during is 'The days, half-open.';
comment on column psa.leaves.type is 'annual, special, sick, unpaid.';
comment on column psa.leaves.status is 'requested, approved, rejected; only approved leave takes capacity.';
call psa.protect('psa.leaves');

create table psa.bookings (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	number bigint not null generated always as identity,
	resource_id uuid not null,
	project_id uuid not null,
	task_id uuid,
	during daterange not null check (not isempty(during) and not lower_inf(during) and not upper_inf(during)),
	permille int not null check (permille between 1 and 1000),
	kind text not null default 'soft' check (kind in ('soft', 'hard')),
	status text not null default 'proposed' check (status in ('proposed', 'confirmed', 'released')),
	expires_at timestamptz,
	note text check (char_length(note) <= 500),
	primary key (workspace_id, id),
	foreign key (workspace_id, resource_id) references psa.resources,
	foreign key (workspace_id, project_id) references psa.projects,
	foreign key (workspace_id, task_id) references psa.tasks,
	constraint soft_is_proposed_and_expires
		check (kind = 'hard' or (status in ('proposed', 'released') and expires_at is not null)),
	constraint hard_is_confirmed check (kind = 'soft' or status in ('confirmed', 'released')),
	constraint full_time_is_exclusive exclude using gist (resource_id with =, during with &&)
		where (kind = 'hard' and status = 'confirmed' and permille = 1000)
);
create unique index bookings_number on psa.bookings (number);
create index bookings_days on psa.bookings using gist (resource_id, during);
create index bookings_project on psa.bookings (workspace_id, project_id);
create index bookings_task on psa.bookings (workspace_id, task_id);
comment on table psa.bookings is 'Who is taken for what, when and how much.';
comment on column psa.bookings.workspace_id is 'The workspace.';
comment on column psa.bookings.id is 'Key.';
comment on column psa.bookings.number is 'Number: how tools name it. Numbers may be missing.';
comment on column psa.bookings.resource_id is 'psa.resources.id.';
comment on column psa.bookings.project_id is 'psa.projects.id.';
comment on column psa.bookings.task_id is 'psa.tasks.id of the same project; null: the project as a whole.';
comment on column psa.bookings.during is 'The days, half-open.';
comment on column psa.bookings.permille is 'Share of the person''s own working time on each of the days: 1000 = '
	'all of it.';
comment on column psa.bookings.kind is 'soft: tentative; hard: committed, may never pass 1000 permille together.';
comment on column psa.bookings.status is 'proposed (soft), confirmed (hard), released (counts no more).';
comment on column psa.bookings.expires_at is 'When a soft booking stops to count.';
comment on column psa.bookings.note is 'Why, in a few words.';
call psa.protect('psa.bookings');

-- ---- capacity and load ----

create view psa.live_bookings with (security_invoker = true) as
	select * from psa.bookings
	where status = 'confirmed' or (status = 'proposed' and expires_at > now());
comment on view psa.live_bookings is 'Bookings that count now: confirmed, or proposed and not expired.';
grant select on psa.live_bookings to authenticated, drover_worker, service_role;

create function psa.resource_days(workspace uuid, days daterange, one uuid default null)
returns table (resource_id uuid, day date, minutes int, hard int, soft int, on_leave boolean)
language sql stable set search_path = pg_catalog, pg_temp as $$
	select r.id, d.day,
		case when l.found or not r.active @> d.day then 0 else coalesce(x.minutes, h.minutes, 0) end,
		b.hard, b.soft, l.found
	from psa.resources r
	cross join lateral (select lower(days) + i as day from generate_series(0, upper(days) - lower(days) - 1) i) d
	cross join lateral (select sum(w.to_min - w.from_min)::int as minutes from psa.calendar_hours w
		where w.workspace_id = workspace and w.calendar_id = r.calendar_id and w.weekday = extract(isodow from d.day)) h
	left join psa.calendar_exceptions x
		on x.workspace_id = workspace and x.calendar_id = r.calendar_id and x.day = d.day
	cross join lateral (select exists (select from psa.leaves v where v.workspace_id = workspace
		and v.resource_id = r.id and v.status = 'approved' and v.during @> d.day) as found) l
	cross join lateral (select coalesce(sum(k.permille) filter (where k.kind = 'hard'), 0)::int as hard,
			coalesce(sum(k.permille) filter (where k.kind = 'soft'), 0)::int as soft
		from psa.live_bookings k
		where k.workspace_id = workspace and k.resource_id = r.id and k.during @> d.day) b
	where r.workspace_id = workspace and (one is null or r.id = one)
$$;
comment on function psa.resource_days is 'For each resource (or the one) and day: working minutes, permille booked '
	'hard and soft, whether on approved leave.';

create function psa.resource_load(workspace uuid, days daterange)
returns table (resource_id uuid, capacity_min bigint, hard_min bigint, soft_min bigint, free_min bigint,
	free_permille int)
language sql stable set search_path = pg_catalog, pg_temp as $$
	select d.resource_id, sum(d.minutes), sum(d.minutes * d.hard) / 1000, sum(d.minutes * d.soft) / 1000,
		sum(d.minutes * greatest(1000 - d.hard - d.soft, 0)) / 1000,
		coalesce(min(greatest(1000 - d.hard - d.soft, 0)) filter (where d.minutes > 0), 0)
	from psa.resource_days(workspace, days) d
	group by d.resource_id
$$;
comment on function psa.resource_load is 'For each resource over the days: capacity, booked and free minutes '
	'(rounded down), and the permille free on every working day.';

create function psa.work_minutes(workspace uuid, resource uuid, days daterange) returns bigint
language sql stable set search_path = pg_catalog, pg_temp as $$
	select coalesce(sum(d.minutes), 0) from psa.resource_days(workspace, days, resource) d
$$;
comment on function psa.work_minutes is 'Working minutes of one resource over the days: its calendar without '
	'holidays and approved leave.';

create function psa.minutes_to_permille(minutes bigint, capacity bigint) returns int
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	if minutes <= 0 then
		raise exception 'say how much: permille (1 to 1000), or minutes of work';
	elsif minutes > capacity then
		raise exception '% minutes do not fit: there are % working minutes on these days', minutes, capacity;
	end if;
	return (minutes * 1000 + capacity - 1) / capacity;
end $$;
comment on function psa.minutes_to_permille is 'The smallest permille of a capacity that holds the minutes.';

create function psa.booking_check() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	r psa.resources;
	p psa.projects;
	peak record;
begin
	if current_setting('transaction_isolation') = 'repeatable read' then
		raise exception 'book in a read committed or serializable transaction: this one would not see new bookings';
	elsif new.status = 'released' then
		return new;
	end if;
	-- Without this lock two sessions could each find room and together take too much.
	select * into r from psa.resources
	where workspace_id = new.workspace_id and id = new.resource_id for no key update;
	select * into p from psa.projects where workspace_id = new.workspace_id and id = new.project_id;
	if p.status in ('completed', 'cancelled') then
		raise exception 'project % is %: nobody can be booked for it', p.code, p.status;
	elsif not r.active @> new.during then
		raise exception '% is not with us on all days from % to %: active %', r.name, lower(new.during),
			upper(new.during) - 1, r.active;
	elsif psa.work_minutes(new.workspace_id, new.resource_id, new.during) = 0 then
		raise exception '% does not work on any day from % to %', r.name, lower(new.during), upper(new.during) - 1;
	elsif new.task_id is not null and not exists (select from psa.tasks t
		where t.workspace_id = new.workspace_id and t.id = new.task_id and t.project_id = new.project_id) then
		raise exception 'the task of a booking must belong to its project %', p.code;
	end if;

	select d.day, sum(b.permille)::int as permille, string_agg(q.code || ' ' || b.permille, ', ' order by q.code) as who
	into peak
	from (select lower(new.during) as day union select lower(b.during) from psa.bookings b
		where b.workspace_id = new.workspace_id and b.resource_id = new.resource_id and new.during @> lower(b.during)) d
	join psa.bookings b on b.workspace_id = new.workspace_id and b.resource_id = new.resource_id
		and b.during @> d.day and b.kind = 'hard' and b.status = 'confirmed' and b.id <> new.id
	join psa.projects q on q.workspace_id = b.workspace_id and q.id = b.project_id
	group by d.day order by 2 desc, 1 limit 1;
	if peak.permille + new.permille > 1000 then
		raise exception '% is booked hard to % permille on % (%): % more would pass 1000. At most % is left that day',
			r.name, peak.permille, peak.day, peak.who, new.permille, 1000 - peak.permille;
	end if;
	return new;
end $$;
comment on function psa.booking_check is 'Refuses a booking on what is booked hard already, on days off, outside '
	'the active time, or for a closed project.';
create trigger t2_check before insert or update on psa.bookings for each row execute function psa.booking_check();

-- An agent proposes; only a person makes a booking hard.
create policy worker_insert on psa.bookings for insert to drover_worker
	with check (workspace_id in (select psa.my_workspaces(true)) and kind = 'soft' and status = 'proposed');
create policy worker_update on psa.bookings for update to drover_worker
	using (workspace_id in (select psa.my_workspaces(true)) and kind = 'soft')
	with check (workspace_id in (select psa.my_workspaces(true)) and kind = 'soft');
grant insert (workspace_id, resource_id, project_id, task_id, during, permille, expires_at, note, source_request_id)
	on psa.bookings to drover_worker;
grant update (status, version) on psa.bookings to drover_worker;

call psa.protect_functions();
