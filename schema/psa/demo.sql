-- Demo data: one studio, its people and prices, three projects. Not a migration; running it again changes nothing.
-- The demo user is 00000000-0000-4000-8000-0000000000d0; project APOLLO waits to be planned, staffed and quoted.

do $demo$
declare
	ws constant uuid := '00000000-0000-4000-8000-0000000000a0';
	full_week uuid;
	short_week uuid;
	quote uuid;
begin
	if exists (select from psa.workspaces where id = ws) then
		return;
	end if;
	insert into psa.workspaces (id, name, tz) values (ws, 'Northwind Studio', 'Europe/Berlin');
	insert into psa.members values (ws, '00000000-0000-4000-8000-0000000000d0', 'owner');

	insert into psa.tax_codes (workspace_id, code, category, rate_bp) values
		(ws, 'DE19', 'S', 1900), (ws, 'DE7', 'S', 700), (ws, 'RC', 'AE', 0);
	insert into psa.customers (workspace_id, name, currency, tax_code, payment_terms_days) values
		(ws, 'Helios Travel GmbH', 'EUR', 'DE19', 30),
		(ws, 'Meridian Bank AG', 'EUR', 'DE19', 45);
	insert into psa.roles (workspace_id, name)
	select ws, unnest(array['Project Manager', 'Designer', 'Frontend Developer', 'Backend Developer', 'QA Engineer',
		'Content Strategist']);
	insert into psa.skills (workspace_id, name)
	select ws, unnest(array['Workshop Facilitation', 'Figma', 'Accessibility', 'React', 'TypeScript', 'PostgreSQL',
		'Test Automation']);

	insert into psa.calendars (workspace_id, name, tz) values (ws, 'Full week', 'Europe/Berlin')
	returning id into full_week;
	insert into psa.calendars (workspace_id, name, tz) values (ws, 'Monday to Thursday', 'Europe/Berlin')
	returning id into short_week;
	insert into psa.calendar_hours (workspace_id, calendar_id, weekday, from_min, to_min)
	select ws, c.id, d, h.from_min, h.to_min
	from (values (full_week, 5), (short_week, 4)) c(id, last_day), generate_series(1, c.last_day) d,
		(values (540, 720), (765, 1065)) h(from_min, to_min);
	insert into psa.calendar_exceptions (workspace_id, calendar_id, day, name)
	select ws, c, e.day, e.name
	from unnest(array[full_week, short_week]) c, (values (date '2027-01-01', 'New Year'), ('2027-03-26', 'Good Friday'),
		('2027-03-29', 'Easter Monday'), ('2027-05-06', 'Ascension'), ('2027-05-17', 'Whit Monday')) e(day, name);

	insert into psa.resources (workspace_id, name, role_id, calendar_id)
	select ws, r.name, psa.find(ws, 'roles', r.role), case r.week when 5 then full_week else short_week end
	from (values ('Anna Keller', 'Project Manager', 5), ('Ben Okafor', 'Project Manager', 5),
		('Clara Novak', 'Designer', 5), ('David Lind', 'Designer', 5), ('Elena Rossi', 'Frontend Developer', 5),
		('Farid Haddad', 'Frontend Developer', 5), ('Greta Holm', 'Backend Developer', 5),
		('Hugo Martin', 'QA Engineer', 4)) r(name, role, week);
	insert into psa.resource_skills (workspace_id, resource_id, skill_id, level)
	select ws, psa.find(ws, 'resources', s.who), psa.find(ws, 'skills', s.skill), s.level
	from (values ('Anna Keller', 'Workshop Facilitation', 85), ('Ben Okafor', 'Workshop Facilitation', 60),
		('Clara Novak', 'Figma', 90), ('Clara Novak', 'Accessibility', 70),
		('Clara Novak', 'Workshop Facilitation', 50), ('David Lind', 'Figma', 75),
		('Elena Rossi', 'React', 90), ('Elena Rossi', 'TypeScript', 85),
		('Elena Rossi', 'Accessibility', 60), ('Farid Haddad', 'React', 75), ('Farid Haddad', 'TypeScript', 80),
		('Greta Holm', 'PostgreSQL', 90), ('Greta Holm', 'TypeScript', 60), ('Hugo Martin', 'Test Automation', 80),
		('Hugo Martin', 'Accessibility', 65)) s(who, skill, level);
	insert into psa.leaves (workspace_id, resource_id, during, type, status)
	select ws, psa.find(ws, 'resources', l.who), daterange(l.first_day, l.last_day, '[]'), 'annual', l.status
	from (values ('Anna Keller', date '2027-02-15', date '2027-02-19', 'approved'),
		('Ben Okafor', '2027-03-01', '2027-03-05', 'approved'),
		('Farid Haddad', '2027-04-05', '2027-04-09', 'requested')) l(who, first_day, last_day, status);

	insert into psa.projects (workspace_id, code, name, customer_id, status, planned_start, planned_finish,
		budget_minor, budget_min, currency)
	select ws, p.code, p.name, psa.find(ws, 'customers', p.customer), p.status, p.first_day, p.last_day, p.budget,
		p.minutes, 'EUR'
	from (values
		('APOLLO', 'Apollo website relaunch', 'Helios Travel GmbH', 'draft', date '2027-02-01', date '2027-06-30',
			4800000, 24000),
		('HERMES', 'Hermes mobile app', 'Meridian Bank AG', 'active', '2026-10-05', '2027-03-31', 12500000, 66000),
		('IRIS', 'Iris design system', 'Helios Travel GmbH', 'active', '2027-01-11', '2027-04-30', 3600000, 19200)
	) p(code, name, customer, status, first_day, last_day, budget, minutes);
	insert into psa.tasks (workspace_id, project_id, name, kind, status, role_id, effort_min, planned_start,
		planned_finish, progress_bp)
	select ws, psa.find(ws, 'projects', t.project), t.name, t.kind, t.status, psa.find(ws, 'roles', t.role), t.effort,
		t.first_day, t.last_day, t.progress
	from (values
		('HERMES', 'Discovery workshops', 'task', 'completed', 'Project Manager', 2400, date '2026-10-05',
			date '2026-10-16', 10000),
		('HERMES', 'App shell', 'task', 'working', 'Frontend Developer', 14400, '2026-10-19', '2027-01-29', 6000),
		('HERMES', 'Account service', 'task', 'working', 'Backend Developer', 19200, '2026-10-19', '2027-02-26', 4500),
		('HERMES', 'Regression suite', 'task', 'open', 'QA Engineer', 4800, '2027-02-15', '2027-03-19', 0),
		('HERMES', 'Store release', 'milestone', 'open', null, 0, '2027-03-31', '2027-03-31', 0),
		('IRIS', 'Component inventory', 'task', 'open', 'Designer', 3600, '2027-01-11', '2027-01-29', 0),
		('IRIS', 'Token library', 'task', 'open', 'Frontend Developer', 6000, '2027-02-01', '2027-03-05', 0)
	) t(project, name, kind, status, role, effort, first_day, last_day, progress);
	insert into psa.task_dependencies (workspace_id, pred_id, succ_id)
	select ws, psa.find_task(ws, p.id, d.first), psa.find_task(ws, p.id, d.second)
	from (values ('HERMES', 'Discovery workshops', 'App shell'), ('HERMES', 'Discovery workshops', 'Account service'),
		('HERMES', 'App shell', 'Regression suite'), ('HERMES', 'Account service', 'Regression suite'),
		('HERMES', 'Regression suite', 'Store release'),
		('IRIS', 'Component inventory', 'Token library')) d(project, first, second)
	cross join lateral (select psa.find(ws, 'projects', d.project) as id) p;

	insert into psa.bookings (workspace_id, resource_id, project_id, during, permille, kind, status, expires_at)
	select ws, psa.find(ws, 'resources', b.who), psa.find(ws, 'projects', b.project),
		daterange(b.first_day, b.last_day, '[]'), b.permille, b.kind,
		case b.kind when 'hard' then 'confirmed' else 'proposed' end,
		case b.kind when 'soft' then now() + interval '1 year' end
	from (values
		('Ben Okafor', 'HERMES', date '2026-10-05', date '2027-03-31', 500, 'hard'),
		('Elena Rossi', 'HERMES', '2026-10-19', '2027-03-31', 600, 'hard'),
		('Greta Holm', 'HERMES', '2026-10-19', '2027-02-26', 800, 'hard'),
		('Hugo Martin', 'HERMES', '2027-02-15', '2027-03-19', 400, 'hard'),
		('Clara Novak', 'IRIS', '2027-01-11', '2027-02-05', 500, 'hard'),
		('David Lind', 'IRIS', '2027-01-11', '2027-02-19', 800, 'soft'),
		('David Lind', 'HERMES', '2027-02-08', '2027-02-26', 400, 'hard'),
		('Farid Haddad', 'IRIS', '2027-02-01', '2027-03-05', 400, 'soft')
	) b(who, project, first_day, last_day, permille, kind);

	insert into psa.price_lists (workspace_id, name, currency, valid) values
		(ws, 'Standard EUR 2026', 'EUR', '[2026-01-01,2027-01-01)'),
		(ws, 'Standard EUR 2027', 'EUR', '[2027-01-01,2028-01-01)');
	insert into psa.rates (workspace_id, price_list_id, role_id, valid, rate_minor)
	select ws, psa.find(ws, 'price_lists', r.list), psa.find(ws, 'roles', r.role), r.valid::daterange, r.rate
	from (values
		('Standard EUR 2026', 'Project Manager', '[2026-01-01,2027-01-01)', 12000),
		('Standard EUR 2026', 'Designer', '[2026-01-01,2027-01-01)', 10500),
		('Standard EUR 2026', 'Frontend Developer', '[2026-01-01,2027-01-01)', 11000),
		('Standard EUR 2026', 'Backend Developer', '[2026-01-01,2027-01-01)', 11500),
		('Standard EUR 2026', 'QA Engineer', '[2026-01-01,2027-01-01)', 9000),
		('Standard EUR 2027', 'Project Manager', '[2027-01-01,2028-01-01)', 12500),
		('Standard EUR 2027', 'Designer', '[2027-01-01,2027-07-01)', 11000),
		('Standard EUR 2027', 'Designer', '[2027-07-01,2028-01-01)', 11500),
		('Standard EUR 2027', 'Frontend Developer', '[2027-01-01,2028-01-01)', 11500),
		('Standard EUR 2027', 'Backend Developer', '[2027-01-01,2028-01-01)', 12000),
		('Standard EUR 2027', 'QA Engineer', '[2027-01-01,2028-01-01)', 9500)
	) r(list, role, valid, rate);

	insert into psa.quotes (workspace_id, customer_id, project_id, title, price_list_id, price_date, currency,
		valid_until)
	select ws, p.customer_id, p.id, 'Hermes mobile app: discovery', psa.find(ws, 'price_lists', 'Standard EUR 2026'),
		'2026-09-14', 'EUR', '2027-03-31'
	from psa.projects p where p.workspace_id = ws and p.code = 'HERMES'
	returning id into quote;
	insert into psa.quote_lines (workspace_id, quote_id, position, role_id, description, qty_milli)
	select ws, quote, l.position, psa.find(ws, 'roles', l.role), l.description, l.hours * 1000
	from (values (1, 'Project Manager', 'Discovery workshops, moderation', 24),
		(2, 'Designer', 'Clickable prototype', 40)) l(position, role, description, hours);
	update psa.quotes set status = 'submitted' where workspace_id = ws and id = quote;
	update psa.quotes set status = 'approved' where workspace_id = ws and id = quote;
	update psa.quotes set status = 'sent' where workspace_id = ws and id = quote;
end $demo$;
