-- Module psa, quotes: price lists with rates, and quotes whose every amount the database computes in whole numbers.
-- Locks: SHARE ROW EXCLUSIVE on psa.currencies, psa.customers, psa.projects, psa.roles, psa.tax_codes, psa.workspaces while the foreign keys are made.

create table psa.price_lists (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	name text not null check (char_length(name) between 1 and 100),
	currency char(3) not null references psa.currencies,
	valid daterange not null check (not isempty(valid)),
	primary key (workspace_id, id)
);
create unique index price_lists_name on psa.price_lists (workspace_id, lower(name));
comment on table psa.price_lists is 'Rate cards for sales.';
comment on column psa.price_lists.workspace_id is 'The workspace.';
comment on column psa.price_lists.id is 'Key.';
comment on column psa.price_lists.name is 'Name, unique in the workspace whatever its case: how tools name it.';
comment on column psa.price_lists.currency is 'Currency of all its rates.';
comment on column psa.price_lists.valid is 'Days on which it may be used, half-open.';
call psa.protect('psa.price_lists');

create table psa.rates (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	price_list_id uuid not null,
	role_id uuid not null,
	valid daterange not null check (not isempty(valid)),
	rate_minor bigint not null check (rate_minor between 0 and 100000000000),
	unit text not null default 'hour' check (unit in ('hour', 'day')),
	primary key (workspace_id, id),
	foreign key (workspace_id, price_list_id) references psa.price_lists,
	foreign key (workspace_id, role_id) references psa.roles,
	constraint one_rate_at_a_time exclude using gist (price_list_id with =, role_id with =, valid with &&)
);
create index rates_list on psa.rates (workspace_id, price_list_id, role_id);
comment on table psa.rates is 'What an hour or a day of a role costs the customer: the only source of prices for time.';
comment on column psa.rates.workspace_id is 'The workspace.';
comment on column psa.rates.id is 'Key.';
comment on column psa.rates.price_list_id is 'psa.price_lists.id; its currency is the rate''s.';
comment on column psa.rates.role_id is 'psa.roles.id.';
comment on column psa.rates.valid is 'Days on which the rate holds, half-open; never two rates on one day.';
comment on column psa.rates.rate_minor is 'Price of one unit in minor units.';
comment on column psa.rates.unit is 'hour or day.';
call psa.protect('psa.rates');

create table psa.counters (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	name text not null,
	last bigint not null check (last > 0),
	primary key (workspace_id, name)
);
comment on table psa.counters is 'Numbers without gaps: the row is locked until the row that took the number is '
	'committed.';
comment on column psa.counters.workspace_id is 'The workspace.';
comment on column psa.counters.name is 'What is numbered: quote.';
comment on column psa.counters.last is 'Last number given.';
alter table psa.counters enable row level security;
grant select, insert, update, delete on psa.counters to service_role;

create table psa.quotes (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	number text not null,
	customer_id uuid not null,
	project_id uuid,
	title text not null check (char_length(title) between 1 and 200),
	status text not null default 'draft'
		check (status in ('draft', 'submitted', 'approved', 'sent', 'accepted', 'declined', 'superseded')),
	price_list_id uuid not null,
	price_date date not null,
	currency char(3) not null references psa.currencies,
	tax_mode text not null default 'exclusive' check (tax_mode in ('exclusive', 'inclusive')),
	tax_rounding text not null default 'category' check (tax_rounding in ('category', 'line')),
	rounding_mode text not null default 'half_up' check (rounding_mode in ('half_up', 'half_even', 'down')),
	valid_until date not null,
	discount_bp int not null default 0 check (discount_bp between 0 and 10000),
	discount_minor bigint not null default 0 check (discount_minor >= 0),
	lines_minor bigint not null default 0,
	net_minor bigint not null default 0,
	tax_minor bigint not null default 0,
	gross_minor bigint not null default 0,
	sent_at timestamptz,
	primary key (workspace_id, id),
	unique (workspace_id, number),
	foreign key (workspace_id, customer_id) references psa.customers,
	foreign key (workspace_id, project_id) references psa.projects,
	foreign key (workspace_id, price_list_id) references psa.price_lists,
	constraint one_kind_of_discount check (discount_bp = 0 or discount_minor = 0),
	constraint gross_is_net_and_tax check (gross_minor = net_minor + tax_minor),
	constraint sent_has_its_time
		check ((sent_at is not null) = (status in ('sent', 'accepted', 'declined', 'superseded')))
);
create index quotes_customer on psa.quotes (workspace_id, customer_id);
create index quotes_project on psa.quotes (workspace_id, project_id);
create index quotes_price_list on psa.quotes (workspace_id, price_list_id);
comment on table psa.quotes is 'Offers to customers. Only a draft can be changed; sending is for people.';
comment on column psa.quotes.workspace_id is 'The workspace.';
comment on column psa.quotes.id is 'Key.';
comment on column psa.quotes.number is 'Q-0001 and on, without gaps in a workspace, given by the database: how '
	'tools name it.';
comment on column psa.quotes.customer_id is 'psa.customers.id.';
comment on column psa.quotes.project_id is 'psa.projects.id; null: no project yet.';
comment on column psa.quotes.title is 'What is offered, one line.';
comment on column psa.quotes.status is 'draft, submitted, approved, sent, then accepted, declined or superseded. '
	'Expired is a sent one after valid_until.';
comment on column psa.quotes.price_list_id is 'psa.price_lists.id: where prices come from; same currency.';
comment on column psa.quotes.price_date is 'The day whose rates apply.';
comment on column psa.quotes.currency is 'Currency of all amounts.';
comment on column psa.quotes.tax_mode is 'exclusive: lines are without tax; inclusive: lines contain it.';
comment on column psa.quotes.tax_rounding is 'category: tax is rounded once per category and rate (EN 16931); '
	'line: per line.';
comment on column psa.quotes.rounding_mode is 'How tax is rounded: half_up, half_even, down.';
comment on column psa.quotes.valid_until is 'Last day on which it can be accepted.';
comment on column psa.quotes.discount_bp is 'Discount on the sum of lines in basis points; only people give it.';
comment on column psa.quotes.discount_minor is 'Discount as an amount in minor units; never both.';
comment on column psa.quotes.lines_minor is 'Sum of lines before discount, minor units; computed.';
comment on column psa.quotes.net_minor is 'Without tax, after discount, minor units; computed.';
comment on column psa.quotes.tax_minor is 'Tax, minor units; computed.';
comment on column psa.quotes.gross_minor is 'What the customer pays, minor units; computed.';
comment on column psa.quotes.sent_at is 'When it was sent.';
call psa.protect('psa.quotes');

create function psa.line_net(qty_milli bigint, unit_price_minor bigint, discount_bp int) returns bigint
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
	select psa.round_ratio(qty_milli::numeric * unit_price_minor * (10000 - discount_bp), 10000000)
$$;
comment on function psa.line_net is 'Amount of a quote line, rounded once, half up.';

create table psa.quote_lines (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	quote_id uuid not null,
	position int not null check (position between 1 and 1000),
	kind text not null default 'time'
		check (kind in ('time', 'fixed', 'expense', 'material', 'milestone', 'section', 'note')),
	role_id uuid,
	description text not null check (char_length(description) between 1 and 500),
	qty_milli bigint not null default 0 check (qty_milli between 0 and 1000000000),
	unit text,
	unit_price_minor bigint not null default 0 check (unit_price_minor between 0 and 100000000000),
	list_price_minor bigint,
	price_reason text check (char_length(price_reason) between 3 and 500),
	discount_bp int not null default 0 check (discount_bp between 0 and 10000),
	net_minor bigint not null generated always as (psa.line_net(qty_milli, unit_price_minor, discount_bp)) stored,
	tax_code text,
	tax_category text,
	tax_rate_bp int,
	primary key (workspace_id, id),
	unique (workspace_id, quote_id, position),
	foreign key (workspace_id, quote_id) references psa.quotes,
	foreign key (workspace_id, role_id) references psa.roles,
	foreign key (workspace_id, tax_code) references psa.tax_codes,
	constraint time_has_a_role check ((kind = 'time') = (role_id is not null)),
	constraint words_cost_nothing check (kind not in ('section', 'note')
		or (qty_milli = 0 and unit_price_minor = 0 and tax_code is null)),
	constraint money_is_taxed check (kind in ('section', 'note')
		or (tax_code is not null and tax_category is not null and tax_rate_bp is not null))
);
create index quote_lines_role on psa.quote_lines (workspace_id, role_id);
comment on table psa.quote_lines is 'Lines of quotes.';
comment on column psa.quote_lines.workspace_id is 'The workspace.';
comment on column psa.quote_lines.id is 'Key.';
comment on column psa.quote_lines.quote_id is 'psa.quotes.id.';
comment on column psa.quote_lines.position is 'Place on the quote: how tools name it.';
comment on column psa.quote_lines.kind is 'time is priced by the rate card; section and note are words only; the '
	'others are priced by people.';
comment on column psa.quote_lines.role_id is 'psa.roles.id of a time line.';
comment on column psa.quote_lines.description is 'What the customer reads.';
comment on column psa.quote_lines.qty_milli is 'Thousandths of the unit: 1500 = 1.5 hours.';
comment on column psa.quote_lines.unit is 'hour, day or a word; of a time line that of the rate.';
comment on column psa.quote_lines.unit_price_minor is 'Price of one unit in minor units; of a time line that of '
	'the rate card unless price_reason says why not.';
comment on column psa.quote_lines.list_price_minor is 'Price of one unit on the rate card when the line was last '
	'put; null: not a time line.';
comment on column psa.quote_lines.price_reason is 'Why a person set another price than the rate card''s.';
comment on column psa.quote_lines.discount_bp is 'Discount on the line in basis points; only people give it.';
comment on column psa.quote_lines.net_minor is 'Amount in minor units: qty_milli * unit_price_minor * (10000 - '
	'discount_bp) / 10^7, half up.';
comment on column psa.quote_lines.tax_code is 'psa.tax_codes.code; the customer''s when nobody says.';
comment on column psa.quote_lines.tax_category is 'Category of the tax code when the line was last put.';
comment on column psa.quote_lines.tax_rate_bp is 'Rate of the tax code in basis points when the line was last put.';
call psa.protect('psa.quote_lines');

-- ---- prices ----

create function psa.rate_at(workspace uuid, price_list uuid, role uuid, day date) returns psa.rates
language sql stable set search_path = pg_catalog, pg_temp as $$
	select r from psa.rates r join psa.price_lists l on l.workspace_id = r.workspace_id and l.id = r.price_list_id
	where r.workspace_id = workspace and r.price_list_id = price_list and r.role_id = role
		and r.valid @> day and l.valid @> day
$$;
comment on function psa.rate_at is 'The one rate of a role on a day in a price list, or null: not covered.';

create function psa.price_list(workspace uuid, word text, wanted bpchar, day date) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	l record;
begin
	if word is not null then
		return psa.find(workspace, 'price_lists', word);
	end if;
	select count(*) as n, string_agg(p.name, ', ' order by p.name) as names, (array_agg(p.id))[1] as id into l
	from psa.price_lists p where p.workspace_id = workspace and p.currency = wanted and p.valid @> day;
	if l.n = 0 then
		raise exception 'not covered: no price list in % is valid on %', wanted, day;
	elsif l.n > 1 then
		raise exception 'several price lists in % are valid on %: name one of %', wanted, day, l.names;
	end if;
	return l.id;
end $$;
comment on function psa.price_list is 'The price list named, else the only one in the currency that is valid on '
	'the day.';

create function psa.valid_until(workspace uuid, wanted date) returns date
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	if wanted < psa.today(workspace) then
		raise exception 'valid_until (%) lies in the past: today is %', wanted, psa.today(workspace);
	end if;
	return coalesce(wanted, psa.today(workspace) + (select quote_valid_days from psa.workspaces where id = workspace));
end $$;
comment on function psa.valid_until is 'Last day of a new quote: the day wanted, else as many days from today as '
	'the workspace says.';

-- ---- amounts ----

create function psa.tax_of(amount numeric, rate_bp int, tax_mode text, rounding_mode text) returns numeric
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
	select case tax_mode
		when 'inclusive' then amount - psa.round_ratio(amount * 10000, 10000 + rate_bp, rounding_mode)
		else psa.round_ratio(amount * rate_bp, 10000, rounding_mode) end
$$;
comment on function psa.tax_of is 'Tax on an amount (exclusive) or within it (inclusive: what is left after the '
	'rounded net).';

create function psa.quote_taxes(q psa.quotes)
returns table (tax_category text, tax_rate_bp int, base_minor bigint, tax_minor bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
	with lines as (
		select l.position, l.tax_category, l.tax_rate_bp, l.net_minor as amount, sum(l.net_minor) over () as total
		from psa.quote_lines l
		where l.workspace_id = q.workspace_id and l.quote_id = q.id and l.tax_code is not null
	), shares as (
		select l.*, d.discount, coalesce(div(d.discount * l.amount, nullif(l.total, 0)), 0) as share,
			coalesce(mod(d.discount * l.amount, nullif(l.total, 0)), 0) as remainder
		from lines l cross join lateral (
			select greatest(q.discount_minor, psa.round_ratio(l.total * q.discount_bp, 10000))::numeric as discount) d
	), bases as (
		-- What whole shares leave of the discount goes out by ones, largest remainder first.
		select s.tax_category, s.tax_rate_bp, s.amount - s.share
			- (row_number() over largest <= s.discount - sum(s.share) over ())::int as base
		from shares s window largest as (order by s.remainder desc, s.position)
	), taxed as (
		select b.tax_category, b.tax_rate_bp, sum(b.base) as base, case q.tax_rounding
			when 'line' then sum(psa.tax_of(b.base, b.tax_rate_bp, q.tax_mode, q.rounding_mode))
			else psa.tax_of(sum(b.base), b.tax_rate_bp, q.tax_mode, q.rounding_mode) end as tax
		from bases b group by b.tax_category, b.tax_rate_bp
	)
	select t.tax_category, t.tax_rate_bp, (t.base - case q.tax_mode when 'inclusive' then t.tax else 0 end)::bigint,
		t.tax::bigint
	from taxed t
$$;
comment on function psa.quote_taxes is 'Tax table of a quote, one row per category and rate: the discount is '
	'shared over the lines by largest remainder first.';

create function psa.quote_check() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	l psa.price_lists;
	n bigint;
	may_change constant text[] := array['status', 'sent_at', 'version', 'updated_at'];
	moves constant text[] := array['draft submitted', 'submitted draft', 'submitted approved', 'approved draft',
		'approved sent', 'sent accepted', 'sent declined', 'sent superseded'];
begin
	select * into l from psa.price_lists where workspace_id = new.workspace_id and id = new.price_list_id;
	if l.currency <> new.currency then
		raise exception 'price list "%" is in %, the quote in %', l.name, l.currency, new.currency;
	elsif tg_op = 'INSERT' then
		if new.status <> 'draft' then
			raise exception 'a quote begins as a draft';
		end if;
		insert into psa.counters as c values (new.workspace_id, 'quote', 1)
		on conflict (workspace_id, name) do update set last = c.last + 1
		returning c.last into n;
		new.number := 'Q-' || lpad(n::text, greatest(4, length(n::text)), '0');
		return new;
	end if;
	new.number := old.number;
	if new.status <> old.status and not old.status || ' ' || new.status = any (moves) then
		raise exception 'quote %: % cannot become %', old.number, old.status, new.status;
	elsif old.status <> 'draft' and to_jsonb(new) - may_change <> to_jsonb(old) - may_change then
		raise exception 'quote % is % and cannot be changed: make a new draft', old.number, old.status;
	elsif (new.price_list_id, new.price_date, new.currency, new.customer_id)
		is distinct from (old.price_list_id, old.price_date, old.currency, old.customer_id)
		and exists (select from psa.quote_lines where workspace_id = new.workspace_id and quote_id = new.id) then
		raise exception 'quote % has lines that were priced for its customer, price list and date: make a new one',
			old.number;
	elsif new.status = 'submitted' and not exists (select from psa.quote_lines
		where workspace_id = new.workspace_id and quote_id = new.id and tax_code is not null) then
		raise exception 'quote % has no lines to offer', old.number;
	elsif new.status = 'accepted' and old.valid_until < psa.today(old.workspace_id) then
		raise exception 'quote % expired on %', old.number, old.valid_until;
	end if;
	new.sent_at := case when new.status = 'sent' and old.status <> 'sent' then now() else old.sent_at end;
	return new;
end $$;
comment on function psa.quote_check is 'Numbers new quotes without gaps; lets states move only along the life '
	'cycle and only drafts change.';
create trigger t2_check before insert or update on psa.quotes for each row execute function psa.quote_check();

create function psa.quote_total() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	select coalesce(sum(t.base_minor), 0), coalesce(sum(t.tax_minor), 0) into new.net_minor, new.tax_minor
	from psa.quote_taxes(new) t;
	new.gross_minor := new.net_minor + new.tax_minor;
	select coalesce(sum(net_minor), 0) into new.lines_minor
	from psa.quote_lines where workspace_id = new.workspace_id and quote_id = new.id;
	if new.discount_minor > new.lines_minor then
		raise exception 'quote %: the discount is more than the lines', new.number;
	end if;
	return new;
end $$;
comment on function psa.quote_total is 'Computes the totals of a draft whenever its row is touched.';
create trigger t3_total_new before insert on psa.quotes for each row execute function psa.quote_total();
create trigger t3_total before update on psa.quotes for each row when (old.status = 'draft')
	execute function psa.quote_total();

create function psa.line_check() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	line psa.quote_lines := case tg_op when 'DELETE' then old else new end;
	q psa.quotes;
	r psa.rates;
begin
	select * into q from psa.quotes where workspace_id = line.workspace_id and id = line.quote_id for no key update;
	if q.status <> 'draft' then
		raise exception 'quote % is % and cannot be changed: make a new draft', q.number, q.status;
	elsif tg_op = 'DELETE' then
		return old;
	elsif tg_op = 'UPDATE' and (old.price_reason is not null or old.kind not in ('time', 'section', 'note'))
		and (new.kind, new.role_id) is distinct from (old.kind, old.role_id) then
		raise exception 'line % of quote % was priced by a person: put yours at another position', old.position,
			q.number;
	end if;
	if new.kind = 'time' and new.role_id is not null then
		r := psa.rate_at(q.workspace_id, q.price_list_id, new.role_id, q.price_date);
		if r.id is null then
			raise exception 'not covered: price list "%" has no rate for role "%" on %',
				(select name from psa.price_lists where workspace_id = q.workspace_id and id = q.price_list_id),
				(select name from psa.roles where workspace_id = q.workspace_id and id = new.role_id), q.price_date;
		end if;
		new.list_price_minor := r.rate_minor;
		new.unit := r.unit;
		if new.price_reason is null then
			new.unit_price_minor := r.rate_minor;
		end if;
	end if;
	if new.kind in ('section', 'note') then
		new.qty_milli := 0;
		new.unit_price_minor := 0;
		new.list_price_minor := null;
		new.unit := null;
		new.tax_code := null;
	else
		select t.code, t.category, t.rate_bp into new.tax_code, new.tax_category, new.tax_rate_bp
		from psa.tax_codes t join psa.customers c on c.workspace_id = t.workspace_id and c.id = q.customer_id
		where t.workspace_id = q.workspace_id and t.code = coalesce(new.tax_code, c.tax_code);
	end if;
	return new;
end $$;
comment on function psa.line_check is 'Prices time lines from the rate card and fills in the tax; refuses lines of '
	'what is no draft.';
create trigger t2_check before insert or update or delete on psa.quote_lines
	for each row execute function psa.line_check();

create function psa.lines_total() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	update psa.quotes q set version = version
	where (q.workspace_id, q.id) in (select l.workspace_id, l.quote_id from lines l);
	return null;
end $$;
comment on function psa.lines_total is 'Touches the quotes of changed lines, once a statement: their totals follow '
	'and their version goes up.';
create trigger t4_total_new after insert on psa.quote_lines referencing new table as lines
	for each statement execute function psa.lines_total();
create trigger t4_total after update on psa.quote_lines referencing new table as lines
	for each statement execute function psa.lines_total();
create trigger t4_total_old after delete on psa.quote_lines referencing old table as lines
	for each statement execute function psa.lines_total();

create function psa.minutes_to_qty(minutes bigint, unit text) returns bigint
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	if unit = 'day' then
		raise exception 'the rate of this role is per day: give qty_milli (1000 is a day) instead of minutes';
	elsif minutes % 3 <> 0 then
		raise exception '% minutes are no whole number of thousandths of an hour: give a multiple of 3', minutes;
	end if;
	return minutes / 3 * 50;
end $$;
comment on function psa.minutes_to_qty is 'Minutes as thousandths of an hour, only where that is exact.';

create function psa.edit_quote(workspace uuid, word text, seen_version int) returns uuid
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
	quote uuid := psa.find(workspace, 'quotes', word);
	q psa.quotes;
begin
	select * into q from psa.quotes where workspace_id = workspace and id = quote;
	if q.status <> 'draft' then
		raise exception 'quote % is % and cannot be changed: make a new draft', q.number, q.status;
	end if;
	select * into q from psa.quotes where workspace_id = workspace and id = quote for no key update;
	if q.version is distinct from seen_version then
		raise exception 'quote % has changed: version % was given, it is at version %; read it again and give that one',
			word, coalesce(seen_version::text, 'none'), q.version;
	end if;
	return quote;
end $$;
comment on function psa.edit_quote is 'Locks a draft for changes of its lines; refuses a stale version.';

-- Agents write drafts: they set no price, no discount, no state.
create policy worker_insert on psa.quotes for insert to drover_worker
	with check (workspace_id in (select psa.my_workspaces(true)) and status = 'draft');
create policy worker_update on psa.quotes for update to drover_worker
	using (workspace_id in (select psa.my_workspaces(true)) and status = 'draft')
	with check (workspace_id in (select psa.my_workspaces(true)) and status = 'draft');
create policy worker_insert on psa.quote_lines for insert to drover_worker
	with check (workspace_id in (select psa.my_workspaces(true)) and kind in ('time', 'section', 'note'));
create policy worker_update on psa.quote_lines for update to drover_worker
	using (workspace_id in (select psa.my_workspaces(true)))
	with check (workspace_id in (select psa.my_workspaces(true)) and kind in ('time', 'section', 'note'));
grant insert (workspace_id, customer_id, project_id, title, price_list_id, price_date, currency, valid_until,
	source_request_id) on psa.quotes to drover_worker;
grant update (version) on psa.quotes to drover_worker;
grant insert (workspace_id, quote_id, position, kind, role_id, description, qty_milli, tax_code, source_request_id)
	on psa.quote_lines to drover_worker;
grant update (kind, role_id, description, qty_milli, tax_code) on psa.quote_lines to drover_worker;

call psa.protect_functions();
