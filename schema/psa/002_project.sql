-- Module psa, projects: projects, their tasks and milestones, and what must be done before what.
-- Locks: SHARE ROW EXCLUSIVE on psa.currencies, psa.customers, psa.roles, psa.workspaces while the foreign keys are made.

create table psa.projects (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	code text not null check (code ~ '^[A-Z0-9][A-Z0-9-]{1,19}$'),
	name text not null check (char_length(name) between 1 and 200),
	customer_id uuid not null,
	status text not null default 'draft' check (status in ('draft', 'active', 'on_hold', 'completed', 'cancelled')),
	planned_start date,
	planned_finish date,
	budget_minor bigint check (budget_minor >= 0),
	budget_min int check (budget_min >= 0),
	currency char(3) not null references psa.currencies,
	primary key (workspace_id, id),
	unique (workspace_id, code),
	foreign key (workspace_id, customer_id) references psa.customers,
	constraint start_before_finish check (planned_start <= planned_finish)
);
create index projects_customer on psa.projects (workspace_id, customer_id);
comment on table psa.projects is 'Work for a customer.';
comment on column psa.projects.workspace_id is 'The workspace.';
comment on column psa.projects.id is 'Key.';
comment on column psa.projects.code is 'Short word in capitals, unique in the workspace: how tools name it.';
comment on column psa.projects.name is 'Name as people say it.';
comment on column psa.projects.customer_id is 'psa.customers.id.';
comment on column psa.projects.status is 'draft, active, on_hold: open; completed, cancelled: closed, takes no '
	'changes to tasks and no bookings.';
comment on column psa.projects.planned_start is 'First day.';
comment on column psa.projects.planned_finish is 'Last day, included. No task may lie outside.';
comment on column psa.projects.budget_minor is 'Budget in minor units of currency; null: none was set.';
comment on column psa.projects.budget_min is 'Budget of work in minutes; null: none was set.';
comment on column psa.projects.currency is 'Currency of the budget.';
call psa.protect('psa.projects');

create table psa.tasks (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	id uuid not null default gen_random_uuid(),
	project_id uuid not null,
	number int not null check (number > 0),
	name text not null check (char_length(name) between 1 and 200),
	kind text not null default 'task' check (kind in ('task', 'milestone')),
	status text not null default 'open'
		check (status in ('open', 'working', 'review', 'blocked', 'completed', 'cancelled')),
	role_id uuid,
	effort_min int not null default 0 check (effort_min between 0 and 6000000),
	planned_start date,
	planned_finish date,
	actual_finish date,
	progress_bp int not null default 0 check (progress_bp between 0 and 10000),
	primary key (workspace_id, id),
	unique (workspace_id, project_id, number),
	foreign key (workspace_id, project_id) references psa.projects,
	foreign key (workspace_id, role_id) references psa.roles,
	constraint start_before_finish check (planned_start <= planned_finish),
	constraint milestone_has_one_day_and_no_effort check (kind <> 'milestone'
		or (effort_min = 0 and planned_finish is not null and planned_start = planned_finish)),
	constraint completed_means_all_done check ((status = 'completed') = (actual_finish is not null)
		and (status <> 'completed' or progress_bp = 10000))
);
create unique index tasks_name on psa.tasks (workspace_id, project_id, lower(name)) where status <> 'cancelled';
create index tasks_role on psa.tasks (workspace_id, role_id);
comment on table psa.tasks is 'Tasks and milestones of a project.';
comment on column psa.tasks.workspace_id is 'The workspace.';
comment on column psa.tasks.id is 'Key.';
comment on column psa.tasks.project_id is 'psa.projects.id.';
comment on column psa.tasks.number is 'Number within the project, given by the database: how tools name it.';
comment on column psa.tasks.name is 'Name, unique among the project''s tasks that are not cancelled: how tools '
	'name it too.';
comment on column psa.tasks.kind is 'task, or milestone: a day with no work in it.';
comment on column psa.tasks.status is 'open, working, review, blocked, completed, cancelled.';
comment on column psa.tasks.role_id is 'psa.roles.id: the role that does it; null: not said.';
comment on column psa.tasks.effort_min is 'Work in minutes, of all people together.';
comment on column psa.tasks.planned_start is 'First day planned.';
comment on column psa.tasks.planned_finish is 'Last day planned, included.';
comment on column psa.tasks.actual_finish is 'Day it was completed, in the workspace''s time zone.';
comment on column psa.tasks.progress_bp is 'Share done in basis points.';
call psa.protect('psa.tasks');

create table psa.task_dependencies (
	workspace_id uuid not null references psa.workspaces on delete cascade,
	pred_id uuid not null,
	succ_id uuid not null,
	type text not null default 'FS' check (type in ('FS', 'SS', 'FF', 'SF')),
	lag_min int not null default 0,
	lag_kind text not null default 'working' check (lag_kind in ('working', 'elapsed')),
	primary key (workspace_id, pred_id, succ_id),
	foreign key (workspace_id, pred_id) references psa.tasks,
	foreign key (workspace_id, succ_id) references psa.tasks
);
create index task_dependencies_succ on psa.task_dependencies (workspace_id, succ_id);
comment on table psa.task_dependencies is 'What must be done before what; never a circle.';
comment on column psa.task_dependencies.workspace_id is 'The workspace.';
comment on column psa.task_dependencies.pred_id is 'psa.tasks.id that comes first.';
comment on column psa.task_dependencies.succ_id is 'psa.tasks.id that follows.';
comment on column psa.task_dependencies.type is 'Which ends are tied: finish-start, start-start, finish-finish, '
	'start-finish.';
comment on column psa.task_dependencies.lag_min is 'Minutes between the two ends; negative: overlap.';
comment on column psa.task_dependencies.lag_kind is 'Whether lag counts working time or all time.';
call psa.protect('psa.task_dependencies');

create function psa.find_task(workspace uuid, project uuid, word text) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
	found_id uuid;
	known text;
begin
	select t.id into found_id from psa.tasks t
	where t.workspace_id = workspace and t.project_id = project
		and (t.number::text = ltrim(trim(word), '#') or (lower(t.name) = lower(trim(word)) and t.status <> 'cancelled'))
	order by lower(t.name) = lower(trim(word)) desc
	limit 1;
	if found_id is null then
		select string_agg(k.word, ', ') into known
		from (select t.number || ' ' || t.name as word from psa.tasks t
			where t.workspace_id = workspace and t.project_id = project order by t.number limit 40) k;
		raise exception 'no task "%" in this project: its tasks are %', word, coalesce(known, 'none yet');
	end if;
	return found_id;
end $$;
comment on function psa.find_task is 'The id of a task that a tool names by number or name; else refused with '
	'those that there are.';

create function psa.task_check() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	p psa.projects;
	taken int;
	waits_for text;
begin
	-- The lock orders numbers and keeps the project open and its dates still until commit.
	select * into p from psa.projects
	where workspace_id = new.workspace_id and id = new.project_id for no key update;
	if p.status in ('completed', 'cancelled') then
		raise exception 'project % is %: its tasks cannot be changed', p.code, p.status;
	end if;
	if tg_op = 'INSERT' then
		select coalesce(max(number), 0) + 1,
			max(number) filter (where lower(name) = lower(new.name) and status <> 'cancelled')
		into new.number, taken from psa.tasks
		where workspace_id = new.workspace_id and project_id = new.project_id;
		-- A milestone of that name is left to the statement: it may want to move it.
		if taken is not null and new.kind = 'task' then
			raise exception 'project % has a task "%" already, number %: change that one or choose another name',
				p.code, new.name, taken;
		end if;
	end if;
	if new.planned_start < p.planned_start or new.planned_finish > p.planned_finish
		or new.planned_start > p.planned_finish or new.planned_finish < p.planned_start then
		raise exception 'task "%" (% to %) lies outside project % (% to %)', new.name, new.planned_start,
			new.planned_finish, p.code, p.planned_start, p.planned_finish;
	end if;
	if new.status <> 'completed' then
		new.actual_finish := null;
	elsif tg_op = 'INSERT' or old.status <> 'completed' then
		new.actual_finish := coalesce(new.actual_finish, psa.today(new.workspace_id));
		select string_agg(t.number || ' ' || t.name, ', ' order by t.number) into waits_for
		from psa.task_dependencies d join psa.tasks t on t.workspace_id = d.workspace_id and t.id = d.pred_id
		where d.workspace_id = new.workspace_id and d.succ_id = new.id and d.type = 'FS'
			and t.status not in ('completed', 'cancelled');
		if waits_for is not null then
			raise exception 'task "%" cannot be completed before: %', new.name, waits_for;
		end if;
	end if;
	return new;
end $$;
comment on function psa.task_check is 'Numbers new tasks; refuses what a project''s state, dates or open '
	'predecessors forbid.';
create trigger t2_check before insert or update on psa.tasks for each row execute function psa.task_check();

create function psa.dependency_check() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	circle text;
begin
	-- Two sessions that each add half of a circle must not both see none.
	perform pg_advisory_xact_lock(hashtextextended('psa.task_dependencies ' || new.workspace_id, 0));
	with recursive after as (
		select new.succ_id as id, array[new.pred_id, new.succ_id] as path
		union all
		select d.succ_id, a.path || d.succ_id
		from after a join psa.task_dependencies d on d.workspace_id = new.workspace_id and d.pred_id = a.id
		where a.id <> new.pred_id
	) cycle id set looped using visited
	select string_agg('"' || t.name || '"', ' -> ' order by p.n) into circle
	from (select path from after where id = new.pred_id limit 1) a, unnest(a.path) with ordinality p(id, n)
	join psa.tasks t on t.workspace_id = new.workspace_id and t.id = p.id;
	if circle is not null then
		raise exception 'tasks would wait for each other in a circle: %', circle;
	end if;
	return new;
end $$;
comment on function psa.dependency_check is 'Refuses a dependency that closes a circle, and names the circle.';
create trigger t2_check before insert or update on psa.task_dependencies
	for each row execute function psa.dependency_check();

create policy worker_insert on psa.tasks for insert to drover_worker
	with check (workspace_id in (select psa.my_workspaces(true)));
create policy worker_update on psa.tasks for update to drover_worker
	using (workspace_id in (select psa.my_workspaces(true)))
	with check (workspace_id in (select psa.my_workspaces(true)));
create policy worker_insert on psa.task_dependencies for insert to drover_worker
	with check (workspace_id in (select psa.my_workspaces(true)));
grant insert (workspace_id, project_id, name, kind, role_id, effort_min, planned_start, planned_finish,
	source_request_id)
	on psa.tasks to drover_worker;
grant update (name, status, role_id, effort_min, planned_start, planned_finish, progress_bp, version)
	on psa.tasks to drover_worker;
grant insert (workspace_id, pred_id, succ_id, source_request_id) on psa.task_dependencies to drover_worker;

call psa.protect_functions();
