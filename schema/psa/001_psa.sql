-- Module psa, the ground: workspaces and who may see them, rules for every table, customers, roles, integer money.
-- Locks: ACCESS EXCLUSIVE on agent_requests while its policy is made.
-- Units everywhere: money is bigint minor units with a currency, work is integer minutes, percentages are basis points
-- (10000 = 100 %), allocation is permille of a person's own calendar (1000 = full time), ranges are half-open.

create schema psa;
comment on schema psa is 'Professional services: projects, resourcing, quotes. Every row belongs to one workspace.';
grant usage on schema psa to authenticated, service_role, drover_worker;

do $$
begin
	if to_regnamespace('extensions') is not null then
		create extension if not exists btree_gist with schema extensions;
	else
		create extension if not exists btree_gist with schema public;
	end if;
end $$;

-- ---- who may see what ----

create table psa.workspaces (
	id uuid primary key default gen_random_uuid(),
	name text not null check (char_length(name) between 1 and 200),
	tz text not null default 'UTC',
	quote_valid_days int not null default 30 check (quote_valid_days between 1 and 365)
);
comment on table psa.workspaces is 'One company or studio; the border that no row crosses.';
comment on column psa.workspaces.id is 'Key; agent_requests.workspace_id names it.';
comment on column psa.workspaces.name is 'Name as people say it.';
comment on column psa.workspaces.tz is 'IANA time zone in which its days begin and end.';
comment on column psa.workspaces.quote_valid_days is 'How many days a new quote is valid when nobody says.';

create table psa.members (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	user_id uuid not null,
	role text not null check (role in ('owner', 'manager', 'member', 'viewer')),
	primary key (workspace_id, user_id)
);
create index members_user on psa.members (user_id);
comment on table psa.members is 'Who belongs to a workspace: the only thing that row level security asks.';
comment on column psa.members.workspace_id is 'The workspace.';
comment on column psa.members.user_id is 'The user: sub of the JWT, auth.uid().';
comment on column psa.members.role is 'owner, manager, member: may have agents write; viewer: may only read.';

create function psa.my_workspaces(writing boolean default false) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select m.workspace_id from psa.members m
	where m.user_id = (select auth.uid()) and (not writing or m.role <> 'viewer')
$$;
comment on function psa.my_workspaces is 'Workspaces of the user in the claims; writing: those where agents may '
	'write for this user. Policies use it as "in (select ...)", so it runs once a query and not once a row.';

-- Limits, pauses and fair order go by workspace: nobody takes another's places. An app with workspaces of its own replaces this policy.
create policy agent_requests_workspace on public.agent_requests as restrictive for insert to authenticated
	with check (workspace_id is null or workspace_id in (select psa.my_workspaces()));

create function psa.is_member(workspace uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select workspace in (select psa.my_workspaces())
$$;
comment on function psa.is_member is 'Whether the user in the claims belongs to the workspace.';

create function psa.here(workspace uuid, writing boolean default false) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	mine uuid[] := array(select psa.my_workspaces());
begin
	if workspace is null and cardinality(mine) > 1 then
		raise exception 'this user is a member of % workspaces: the request must name one (workspace_id)',
			cardinality(mine);
	end if;
	workspace := coalesce(workspace, mine[1]);
	if workspace is null then
		raise exception 'this user is a member of no workspace: nothing can be read or written';
	elsif workspace <> all (mine) then
		raise exception 'this user is no member of workspace %', workspace;
	elsif writing and workspace not in (select psa.my_workspaces(true)) then
		raise exception 'this user is a viewer in the workspace: nothing can be written';
	end if;
	return workspace;
end $$;
comment on function psa.here is 'The workspace a request works in: the given one, else the only one of the user.';

-- ---- rules of every table ----

create function psa.touch() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		new.version := 1;
		new.created_by := auth.uid();
	elsif new.version is distinct from old.version then
		raise exception '"%" has changed: version % was given, it is at version %; read it again and give that version',
			coalesce(to_jsonb(old) ->> 'name', to_jsonb(old) ->> 'number'), coalesce(new.version::text, 'none'),
			old.version;
	else
		new.version := old.version + 1;
		new.created_at := old.created_at;
		new.created_by := old.created_by;
	end if;
	new.updated_at := now();
	return new;
end $$;
comment on function psa.touch is 'Counts versions. An update that sets version says which one it has seen: a stale '
	'one is refused.';

-- Worker rights are granted table by table, below each table; nobody but service_role may delete.
create procedure psa.protect(what regclass) language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	execute format('alter table %1$s
		add version int not null default 1,
		add created_at timestamptz not null default now(),
		add updated_at timestamptz not null default now(),
		add created_by uuid,
		add source_request_id bigint', what);
	execute format('comment on column %s.version is %L', what,
		'Counts updates; an update that gives a stale one is refused.');
	execute format('comment on column %s.created_at is %L', what, 'When the row was made.');
	execute format('comment on column %s.updated_at is %L', what, 'When the row last changed.');
	execute format('comment on column %s.created_by is %L', what, 'User in the claims when the row was made.');
	execute format('comment on column %s.source_request_id is %L', what,
		'agent_requests.id that made the row; null: a person did.');
	execute format('create trigger t1_touch before insert or update on %s
		for each row execute function psa.touch()', what);
	execute format('alter table %s enable row level security', what);
	execute format('create policy members_read on %s for select to authenticated, drover_worker using (%s)', what,
		'workspace_id in (select psa.my_workspaces())');
	execute format('grant select on %s to authenticated, drover_worker', what);
	execute format('grant select, insert, update, delete on %s to service_role', what);
end $$;
comment on procedure psa.protect is 'Gives a table with workspace_id the common columns, version counting, row level '
	'security and read grants.';

create procedure psa.protect_functions() language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	f regprocedure;
begin
	for f in select oid from pg_catalog.pg_proc where pronamespace = 'psa'::regnamespace loop
		execute format('revoke execute on routine %s from public', f);
	end loop;
	-- a trigger's function has its owner's rights on whatever table it is put
	for f in select oid from pg_catalog.pg_proc where pronamespace = 'psa'::regnamespace and prokind = 'f'
			and prorettype <> 'trigger'::regtype loop
		execute format('grant execute on function %s to authenticated, drover_worker, service_role', f);
	end loop;
end $$;
comment on procedure psa.protect_functions is 'Takes the functions of the schema from the public and gives them to the '
	'roles that read: the last line of each migration.';

do $$
declare
	t text;
begin
	foreach t in array array['workspaces', 'members'] loop
		execute format('alter table psa.%I enable row level security', t);
		execute format('grant select on psa.%I to authenticated, drover_worker', t);
		execute format('grant select, insert, update, delete on psa.%I to service_role', t);
	end loop;
end $$;
create policy members_read on psa.workspaces for select to authenticated, drover_worker
	using (id in (select psa.my_workspaces()));
create policy members_read on psa.members for select to authenticated, drover_worker
	using (workspace_id in (select psa.my_workspaces()));

-- ---- money and dates ----

create table psa.currencies (
	code char(3) primary key check (code ~ '^[A-Z]{3}$'),
	exponent int not null check (exponent between 0 and 4)
);
comment on table psa.currencies is 'Currencies that amounts may have. The same for all workspaces.';
comment on column psa.currencies.code is 'ISO 4217 code.';
comment on column psa.currencies.exponent is 'Decimal places of the minor unit: EUR 2, JPY 0, KWD 3.';
insert into psa.currencies values ('CHF', 2), ('CZK', 2), ('DKK', 2), ('EUR', 2), ('GBP', 2), ('JPY', 0), ('KWD', 3),
	('NOK', 2), ('PLN', 2), ('SEK', 2), ('USD', 2);
alter table psa.currencies enable row level security;
create policy all_read on psa.currencies for select to authenticated, drover_worker using (true);
grant select on psa.currencies to authenticated, drover_worker, service_role;

create function psa.money(minor bigint, currency bpchar) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
	select round(minor / 10::numeric ^ c.exponent, c.exponent) || ' ' || c.code from psa.currencies c
	where c.code = currency
$$;
comment on function psa.money is 'An amount as people write it: 1234 EUR minor units are "12.34 EUR".';

create function psa.round_ratio(top numeric, bottom numeric, mode text default 'half_up') returns bigint
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
	select (sign(top) * case mode
		when 'half_up' then div(2 * abs(top) + bottom, 2 * bottom)
		when 'down' then div(abs(top), bottom)
		when 'half_even' then div(abs(top), bottom) + case
			when 2 * mod(abs(top), bottom) > bottom then 1
			when 2 * mod(abs(top), bottom) = bottom then mod(div(abs(top), bottom), 2)
			else 0 end
		end)::bigint
$$;
comment on function psa.round_ratio is 'top / bottom (bottom > 0) as a whole number, exact: half_up and half_even '
	'as in commerce and banking, down towards zero.';

create function psa.days(first_day date, last_day date) returns daterange
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	if last_day < first_day then
		raise exception 'to (%) lies before from (%)', last_day, first_day;
	elsif last_day - first_day > 731 then
		raise exception 'from % to % is longer than two years: ask for a shorter time', first_day, last_day;
	end if;
	return daterange(first_day, last_day, '[]');
end $$;
comment on function psa.days is 'The days from first to last, both included, as a half-open range; at most two years.';

create function psa.today(workspace uuid) returns date language sql stable set search_path = pg_catalog, pg_temp as $$
	select (now() at time zone w.tz)::date from psa.workspaces w where w.id = workspace
$$;
comment on function psa.today is 'The date it is now in the workspace.';

-- ---- customers, tax, roles ----

create table psa.tax_codes (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	code text not null check (code ~ '^[A-Z0-9]{1,12}$'),
	category text not null check (category in ('S', 'Z', 'E', 'AE', 'K', 'G', 'O')),
	rate_bp int not null check (rate_bp between 0 and 10000),
	primary key (workspace_id, code),
	constraint only_standard_has_a_rate check (category = 'S' or rate_bp = 0)
);
comment on table psa.tax_codes is 'Taxes that quote lines may carry.';
comment on column psa.tax_codes.workspace_id is 'The workspace.';
comment on column psa.tax_codes.code is 'Short word: DE19.';
comment on column psa.tax_codes.category is 'EN 16931 category: S standard, Z zero, E exempt, AE reverse charge, K '
	'intra-community, G export, O outside scope.';
comment on column psa.tax_codes.rate_bp is 'Rate in basis points: 1900 = 19 %.';
call psa.protect('psa.tax_codes');

create table psa.customers (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	name text not null check (char_length(name) between 1 and 200),
	currency char(3) not null references psa.currencies,
	tax_code text not null,
	payment_terms_days int not null default 30 check (payment_terms_days between 0 and 365),
	primary key (workspace_id, id),
	foreign key (workspace_id, tax_code) references psa.tax_codes
);
create unique index customers_name on psa.customers (workspace_id, lower(name));
comment on table psa.customers is 'Who projects are done for and quotes are written to.';
comment on column psa.customers.workspace_id is 'The workspace.';
comment on column psa.customers.id is 'Key.';
comment on column psa.customers.name is 'Name, unique in the workspace whatever its case: how tools name it.';
comment on column psa.customers.currency is 'Currency of its quotes when nobody says.';
comment on column psa.customers.tax_code is 'Tax of its quote lines when nobody says.';
comment on column psa.customers.payment_terms_days is 'Days from invoice to due date.';
call psa.protect('psa.customers');

create table psa.roles (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	name text not null check (char_length(name) between 1 and 100),
	primary key (workspace_id, id)
);
create unique index roles_name on psa.roles (workspace_id, lower(name));
comment on table psa.roles is 'Kinds of work that people do, tasks need and rates are set for.';
comment on column psa.roles.workspace_id is 'The workspace.';
comment on column psa.roles.id is 'Key.';
comment on column psa.roles.name is 'Name, unique in the workspace whatever its case: how tools name it.';
call psa.protect('psa.roles');

create function psa.find(workspace uuid, what text, word text) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	key text := case what when 'projects' then 'code' when 'quotes' then 'number' else 'name' end;
	found_id uuid;
	known text;
begin
	if word is null then
		return null;
	end if;
	execute format('select id from psa.%I where workspace_id = $1 and lower(%I) = lower(trim($2))', what, key)
		into found_id using workspace, word;
	if found_id is null then
		execute format('select string_agg(word, '', '') from (select %I as word from psa.%I
			where workspace_id = $1 order by 1 limit 30) k', key, what) into known using workspace;
		raise exception 'no % with % "%": known are %', what, key, word, coalesce(known, 'none');
	end if;
	return found_id;
end $$;
comment on function psa.find is 'The id of the row that a tool names by a human word; null for null; a word nobody '
	'knows is refused with those that are known.';

call psa.protect_functions();
