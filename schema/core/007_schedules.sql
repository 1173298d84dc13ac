-- Schedules: requests that the clock makes. Cron in a time zone, what happens after an outage, and no fire twice.
-- Locks: none on existing tables.

-- One field as the sorted numbers that it stands for.
create function drover.cron_field(field text, called text, lowest integer, highest integer, names text[]) returns integer[]
	language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	item text;
	part text[];
	word text;
	ends integer[];
	step integer;
	found_all integer[] := '{}';
begin
	foreach item in array string_to_array(field, ',') loop
		part := regexp_match(item, '^(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,4}))?$');
		if part is null then
			raise exception 'cron: % is wrong in the field of the %: write *, numbers from % to %, lists 1,2, ranges 1-5 and steps */2',
				quote_literal(item), called, lowest, highest using errcode = 'invalid_parameter_value';
		end if;
		step := coalesce(part[4]::integer, 1);
		if step = 0 or (part[4] is not null and part[1] is null and part[3] is null) then
			raise exception 'cron: the step in % of the field of the % needs a range or * before it, and a number above 0 behind it',
				quote_literal(item), called using errcode = 'invalid_parameter_value';
		end if;
		ends := case when part[1] is not null then array[lowest, highest] else '{}' end;
		foreach word in array case when part[1] is null then array[part[2], coalesce(part[3], part[2])] else '{}'::text[] end loop
			ends := ends || case when word ~ '^[0-9]' then word::integer else array_position(names, word) - 1 + lowest end;
		end loop;
		-- sunday is 0 and 7: as the end of a range it is the last day
		if called = 'day of the week' and part[3] is not null and ends[2] = 0 and ends[1] > 0 then
			ends[2] := 7;
		end if;
		if array_position(ends, null) is not null or ends[1] < lowest or ends[2] > highest or ends[1] > ends[2] then
			raise exception 'cron: % in the field of the % is not within % to %, or runs backwards', quote_literal(item), called,
				lowest, highest using errcode = 'invalid_parameter_value';
		end if;
		found_all := found_all || array(select generate_series(ends[1], ends[2], step));
	end loop;
	if found_all = '{}' then
		raise exception 'cron: the field of the % is empty', called using errcode = 'invalid_parameter_value';
	end if;
	return array(select distinct case when called = 'day of the week' and n = 7 then 0 else n end as n
		from unnest(found_all) n order by 1);
end
$$;
comment on function drover.cron_field(text, text, integer, integer, text[]) is 'The numbers that one field of a cron line stands for, sorted; an error names the field.';

-- Postgres gives a doubled time its second instant, and a missing one an hour that the wall never showed.
create function drover.wall_instant(wall timestamp, time_zone text) returns timestamptz
	language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	guess timestamptz := wall at time zone time_zone;
	-- hours, not days: a day of the session's own zone may be longer
	gap timestamptz := guess - interval '24 hours';
	first_try timestamptz := (wall - (gap at time zone time_zone - gap at time zone 'UTC')) at time zone 'UTC';
	half timestamptz;
begin
	if first_try at time zone time_zone = wall then
		return first_try;
	elsif guess at time zone time_zone = wall then
		return guess;
	end if;
	-- the clock jumps over it: halve the day around it until the jump is found
	guess := guess + interval '24 hours';
	while guess - gap > interval '1 second' loop
		half := date_trunc('second', gap + (guess - gap) / 2);
		if half at time zone time_zone > wall then
			guess := half;
		else
			gap := half;
		end if;
	end loop;
	return guess;
end
$$;
comment on function drover.wall_instant(timestamp, text) is 'When the clock of a zone first shows this time; where it jumps over it, the instant of the jump.';

create function drover.cron_next(cron text, time_zone text, after timestamptz) returns timestamptz
	language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	longest constant interval := '41 years'; -- 29 february as one weekday, over a century without leap day
	line text := case lower(btrim(cron)) when '@hourly' then '0 * * * *' when '@daily' then '0 0 * * *'
		when '@midnight' then '0 0 * * *' when '@weekly' then '0 0 * * 0' when '@monthly' then '0 0 1 * *'
		when '@yearly' then '0 0 1 1 *' when '@annually' then '0 0 1 1 *' else lower(btrim(cron)) end;
	fields text[] := regexp_split_to_array(line, '\s+');
	minutes integer[];
	hours integer[];
	days integer[];
	months integer[];
	weekdays integer[];
	here timestamp := after at time zone time_zone;
	day date;
	wall timestamp;
	found_at timestamptz;
begin
	if cron is null or time_zone is null or after is null then
		return null;
	elsif line like '@%' then
		raise exception 'cron: % is not known: write five fields, or @hourly, @daily, @weekly, @monthly or @yearly',
			quote_literal(cron) using errcode = 'invalid_parameter_value';
	elsif cardinality(fields) <> 5 then
		raise exception 'cron: % has % fields, not five: minute, hour, day of the month, month, day of the week',
			quote_literal(cron), case line when '' then 0 else cardinality(fields) end using errcode = 'invalid_parameter_value';
	end if;
	minutes := drover.cron_field(fields[1], 'minute', 0, 59, '{}');
	hours := drover.cron_field(fields[2], 'hour', 0, 23, '{}');
	days := drover.cron_field(fields[3], 'day of the month', 1, 31, '{}');
	months := drover.cron_field(fields[4], 'month', 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
	weekdays := drover.cron_field(fields[5], 'day of the week', 0, 7, '{sun,mon,tue,wed,thu,fri,sat}');
	for day in
		select d from (select generate_series(here::date, here::date + longest, interval '1 day') as d) all_days
			where extract(month from d)::integer = any (months)
				-- the old rule: two restrictions mean either, a * means the other one alone
				and case when fields[3] like '*%' or fields[5] like '*%'
					then extract(day from d)::integer = any (days) and extract(dow from d)::integer = any (weekdays)
					else extract(day from d)::integer = any (days) or extract(dow from d)::integer = any (weekdays) end loop
		if cardinality(hours) = 24 then
			-- every hour means every hour that passes: neither a doubled nor a missing one makes a difference
			select t into found_at from (select generate_series(
					greatest(date_trunc('minute', after), drover.wall_instant(day, time_zone)),
					drover.wall_instant(day + 1, time_zone), interval '1 minute') as t) all_minutes
				where t > after and (t at time zone time_zone)::date = day
					and extract(minute from t at time zone time_zone)::integer = any (minutes)
				limit 1;
			if found then
				return found_at;
			end if;
			continue;
		end if;
		for wall in
			select day + make_interval(hours => h, mins => m) from unnest(hours) h, unnest(minutes) m
				where day + make_interval(hours => h, mins => m) > here order by 1 loop
			found_at := drover.wall_instant(wall, time_zone);
			if found_at > after then
				return found_at;
			end if;
		end loop;
	end loop;
	raise exception 'cron: % names a date that never comes', quote_literal(cron) using errcode = 'invalid_parameter_value';
end
$$;
comment on function drover.cron_next(text, text, timestamptz) is 'The first time after the given one that a cron line names, by the clock of the zone. Five fields with *, lists, ranges, steps and names, or @hourly @daily @weekly @monthly @yearly. A time that the clock jumps over comes at the jump, one that comes twice counts the first time; with * for the hour every hour that passes counts. A wrong line is an error (22023) that names the field.';

create table drover.schedules (
	name text primary key constraint name_1_to_100_characters check (length(name) between 1 and 100),
	cron text not null,
	time_zone text not null default 'UTC',
	type text not null constraint type_1_to_64_characters check (length(type) between 1 and 64)
		constraint type_is_one_line check (type !~ '[[:cntrl:]]'),
	request text not null constraint request_is_not_empty check (request <> '')
		constraint request_at_most_262144_bytes check (octet_length(request) <= 262144),
	context jsonb not null default '{}'
		constraint context_is_an_object check (jsonb_typeof(context) = 'object')
		constraint context_at_most_262144_bytes check (pg_column_size(context) <= 262144),
	user_id uuid,
	workspace_id uuid,
	session_id uuid,
	priority smallint not null default 100 constraint priority_0_to_1000 check (priority between 0 and 1000),
	supersede_key text constraint supersede_key_at_most_200_characters check (length(supersede_key) <= 200),
	catch_up text not null default 'one' constraint catch_up_skip_one_or_all check (catch_up in ('skip', 'one', 'all')),
	max_catch_up integer not null default 100 constraint max_catch_up_1_to_1000 check (max_catch_up between 1 and 1000),
	enabled boolean not null default true,
	next_at timestamptz constraint next_at_is_finite check (isfinite(next_at)),
	retry_at timestamptz constraint retry_at_is_finite check (isfinite(retry_at)),
	last_at timestamptz,
	last_request_id bigint,
	last_error text,
	created_at timestamptz not null default now(),
	constraint next_at_while_enabled check (enabled = (next_at is not null))
);
comment on table drover.schedules is 'Requests that the clock makes. Insert, change and delete rows as an operator; the workers fire them.';
comment on column drover.schedules.name is 'What people call it; part of the idempotency key schedule:NAME:TIME of its requests. At most 100 characters.';
comment on column drover.schedules.cron is 'Minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @monthly, @yearly.';
comment on column drover.schedules.time_zone is 'By whose clock: a name of pg_timezone_names, as Europe/Berlin.';
comment on column drover.schedules.type is 'Of the request.';
comment on column drover.schedules.request is 'Of the request.';
comment on column drover.schedules.context is 'Of the request.';
comment on column drover.schedules.user_id is 'Of the request: the agent works with this user''s rights. Null = nobody''s.';
comment on column drover.schedules.workspace_id is 'Of the request.';
comment on column drover.schedules.session_id is 'Of the request. Null = a new session each time.';
comment on column drover.schedules.priority is 'Of the request.';
comment on column drover.schedules.supersede_key is 'Of the request: with it, what has not ended by the next time is superseded.';
comment on column drover.schedules.catch_up is 'What is done about times that passed unfired. skip: nothing, when over a minute late; one: one request for all of them; all: one each, at most max_catch_up.';
comment on column drover.schedules.max_catch_up is 'With catch_up all: how many are made up, the oldest first; the rest is left out. 1 to 1000.';
comment on column drover.schedules.enabled is 'Off: does not fire, and what passes meanwhile is not made up.';
comment on column drover.schedules.next_at is 'When it fires next. Computed; may be set by hand, now() = at once.';
comment on column drover.schedules.retry_at is 'After an error: tried again then.';
comment on column drover.schedules.last_at is 'When it last fired.';
comment on column drover.schedules.last_request_id is 'The request it made last. It may be deleted by now.';
comment on column drover.schedules.last_error is 'Why it could not fire, or what it left out. Null = all well.';
comment on column drover.schedules.created_at is 'When it was made.';
create index schedules_due on drover.schedules (greatest(next_at, retry_at)) where enabled;

create function drover.check_schedule() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	computed timestamptz;
	changed boolean := true;
begin
	-- a wrong line is refused even while it is disabled; to disable one is always possible
	if tg_op = 'UPDATE' then
		changed := (new.cron, new.time_zone) is distinct from (old.cron, old.time_zone) or new.enabled and not old.enabled;
	end if;
	if changed and new.time_zone <> 'UTC' and not exists (select from pg_timezone_names z where z.name = new.time_zone) then
		raise exception 'time zone % is not known: write a name of pg_timezone_names, as Europe/Berlin', quote_literal(new.time_zone)
			using errcode = 'invalid_parameter_value';
	end if;
	if changed or new.enabled and new.next_at is null then
		computed := drover.cron_next(new.cron, new.time_zone, now());
	end if;
	if not new.enabled then
		new.next_at := null;
	elsif new.next_at is null or (tg_op = 'UPDATE' and changed and new.next_at is not distinct from old.next_at) then
		new.next_at := computed;
	end if;
	-- whoever changes it has mended it, for all we know
	if changed and tg_op = 'UPDATE' then
		new.retry_at := null;
		new.last_error := null;
	end if;
	return new;
end
$$;
comment on function drover.check_schedule() is 'Trigger: refuses a wrong cron line or zone, and computes next_at where the line, the zone or enabled changed.';
create trigger schedules_check before insert or update on drover.schedules
	for each row execute function drover.check_schedule();

create function drover.instant_text(instant timestamptz) returns text
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;
comment on function drover.instant_text(timestamptz) is 'A time as 2025-01-31T08:00:00Z.';

-- One schedule that is due: its requests, and its next time. The caller holds its row.
create function drover.fire_schedule(due drover.schedules) returns integer
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	at_time timestamptz := due.next_at;
	later timestamptz;
	made bigint;
	newest bigint := due.last_request_id;
	fired integer := 0;
	looked integer := 0;
	left_out text;
begin
	if due.catch_up = 'skip' and at_time < now() - interval '1 minute' then
		later := drover.cron_next(due.cron, due.time_zone, now());
		left_out := format('the time of %s was %s s late and left out (catch_up skip)', drover.instant_text(at_time),
			floor(extract(epoch from now() - at_time)));
	end if;
	while later is null loop
		insert into public.agent_requests (session_id, user_id, workspace_id, type, request, context, priority,
				supersede_key, idempotency_key)
			values (coalesce(due.session_id, gen_random_uuid()), due.user_id, due.workspace_id, due.type, due.request,
				due.context, due.priority, due.supersede_key, format('schedule:%s:%s', due.name, drover.instant_text(at_time)))
			on conflict (user_id, idempotency_key) where idempotency_key is not null do nothing
			returning id into made;
		fired := fired + case when made is null then 0 else 1 end;
		newest := coalesce(made, newest);
		looked := looked + 1;
		at_time := drover.cron_next(due.cron, due.time_zone, case due.catch_up when 'all' then at_time else now() end);
		if at_time > now() then
			later := at_time;
		elsif looked = due.max_catch_up then
			later := drover.cron_next(due.cron, due.time_zone, now());
			left_out := format('more than %s times had passed: what was due from %s on was left out (max_catch_up)', looked,
				drover.instant_text(at_time));
		end if;
	end loop;
	update drover.schedules s set next_at = later, retry_at = null, last_request_id = newest, last_error = left_out,
		last_at = case when fired > 0 then now() else s.last_at end where s.name = due.name;
	return fired;
end
$$;

comment on function drover.fire_schedule(drover.schedules) is 'Makes the requests of one schedule that is due and whose row is locked, and computes its next time. How many it made.';

create function drover.fire_schedules(at_most integer, out fired integer, out next_ms bigint)
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	due drover.schedules;
	taken integer := 0;
	soonest_ms numeric;
begin
	fired := 0;
	for due in
		select s.* from drover.schedules s where s.enabled and greatest(s.next_at, s.retry_at) <= now()
			order by greatest(s.next_at, s.retry_at) limit at_most for update skip locked loop
		begin
			fired := fired + drover.fire_schedule(due);
		exception when others then
			update drover.schedules s set last_error = sqlerrm, retry_at = now() + interval '1 minute' where s.name = due.name;
		end;
		taken := taken + 1;
		exit when fired >= at_most;
	end loop;
	select extract(epoch from min(greatest(s.next_at, s.retry_at)) - clock_timestamp()) * 1000 into soonest_ms
		from drover.schedules s where s.enabled and greatest(s.next_at, s.retry_at) > now();
	next_ms := case when taken > 0 and (taken = at_most or fired >= at_most) then 1
		when soonest_ms is null then 0 else greatest(ceil(soonest_ms), 1) end;
end
$$;
comment on function drover.fire_schedules(integer) is 'Fires what is due, about so many at once: how many requests were made, and in how many milliseconds the next is due (0 = none waits). Any number of workers may call it at once. What cannot be fired says so in last_error and is tried again a minute later.';

revoke execute on all functions in schema drover from public;
grant select on drover.schedules to drover_worker;
grant update (next_at, retry_at, last_at, last_request_id, last_error) on drover.schedules to drover_worker;
grant execute on function drover.cron_field(text, text, integer, integer, text[]), drover.wall_instant(timestamp, text),
	drover.cron_next(text, text, timestamptz), drover.instant_text(timestamptz), drover.fire_schedule(drover.schedules),
	drover.fire_schedules(integer) to drover_worker;
