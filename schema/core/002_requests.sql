-- The queue: an insert into agent_requests is the API; its answer is written into the same row.
-- Locks: none on existing tables.
create table public.agent_sessions (
	id uuid primary key default gen_random_uuid(),
	user_id uuid default auth.uid(),
	workspace_id uuid,
	title text constraint title_at_most_500_characters check (length(title) <= 500),
	status text not null default 'active' check (status in ('active', 'paused', 'completed', 'failed')),
	created_at timestamptz not null default now(),
	last_activity_at timestamptz not null default now()
);
comment on table public.agent_sessions is 'A conversation. Made by the app, or by the worker when the first request of the session runs.';
comment on column public.agent_sessions.id is 'The session_id of its requests and logs.';
comment on column public.agent_sessions.user_id is 'Owner: auth.uid() of whoever made it. Null = made by the server; nobody''s under row level security.';
comment on column public.agent_sessions.workspace_id is 'Workspace of the conversation, if the app has workspaces.';
comment on column public.agent_sessions.title is 'For the app: what the conversation is called. At most 500 characters.';
comment on column public.agent_sessions.status is 'For the app: active, paused, completed or failed. The queue does not read it.';
comment on column public.agent_sessions.created_at is 'When the row was made.';
comment on column public.agent_sessions.last_activity_at is 'When a request of the session last began to run.';
create index agent_sessions_user on public.agent_sessions (user_id, last_activity_at desc);

create table public.agent_requests (
	-- First what every claim and every end reads, at fixed places; last what is large.
	id bigint generated always as identity primary key,
	session_id uuid not null default gen_random_uuid(),
	created_at timestamptz not null default now(),
	version integer not null default 0,
	attempt integer not null default 0,
	waits_on integer not null default 0,
	generation integer not null default 1,
	priority smallint not null default 100 constraint priority_0_to_1000 check (priority between 0 and 1000),
	crashes smallint not null default 0,
	dry_run boolean not null default false,
	status text not null default 'queued',
	phase text not null default 'ready',
	type text not null constraint type_1_to_64_characters check (length(type) between 1 and 64)
		constraint type_is_one_line check (type !~ '[[:cntrl:]]'),
	user_id uuid default auth.uid(),
	workspace_id uuid,
	parent_id bigint,
	worker_id uuid,
	blocked_on text,
	run_at timestamptz constraint run_at_is_finite check (isfinite(run_at)),
	started_at timestamptz,
	finished_at timestamptz,
	processing_time_ms integer not null default 0,
	input_tokens bigint not null default 0,
	output_tokens bigint not null default 0,
	cache_write_tokens bigint not null default 0,
	cache_read_tokens bigint not null default 0,
	cost_micros bigint not null default 0,
	depends_on bigint[] not null default '{}',
	agents_involved text[] not null default '{}',
	idempotency_key text constraint idempotency_key_at_most_200_characters check (length(idempotency_key) <= 200),
	supersede_key text constraint supersede_key_at_most_200_characters check (length(supersede_key) <= 200),
	error_code text,
	error text,
	request text not null constraint request_is_not_empty check (request <> '')
		constraint request_at_most_262144_bytes check (octet_length(request) <= 262144),
	context jsonb not null default '{}'
		constraint context_is_an_object check (jsonb_typeof(context) = 'object')
		constraint context_at_most_262144_bytes check (pg_column_size(context) <= 262144),
	result jsonb,
	-- The common ones first: each update is checked.
	constraint status_and_phase check ((status, phase) in (
		('processing', 'running'), ('completed', 'completed'), ('queued', 'ready'), ('failed', 'failed'),
		('queued', 'blocked'), ('queued', 'scheduled'), ('queued', 'retry_wait'), ('queued', 'waiting_dependencies'),
		('processing', 'waiting_children'), ('processing', 'ready'), ('processing', 'blocked'),
		('failed', 'cancelled'), ('failed', 'superseded')))
);
comment on table public.agent_requests is 'One request to an agent. Insert to ask; watch status, or subscribe; read result. Requests of one session run one at a time, in order of insertion; across sessions in order of (priority, id).';
comment on column public.agent_requests.id is 'Order of insertion.';
comment on column public.agent_requests.session_id is 'Given by the app: the conversation. Default: one of its own.';
comment on column public.agent_requests.user_id is 'Whose request: auth.uid(), enforced by policy. The server (service role) may name another or none.';
comment on column public.agent_requests.workspace_id is 'Given by the app: workspace, passed to the tools.';
comment on column public.agent_requests.parent_id is 'The request whose agent made this one; deleting that one deletes this one, by trigger: a foreign key would cost every update. Null = made by the app.';
comment on column public.agent_requests.depends_on is 'Sibling requests that must end before this one starts.';
comment on column public.agent_requests.type is 'Given by the app: orchestrator, project_management, resourcing or quotes. Unknown ones end in failed, error_code unknown_agent.';
comment on column public.agent_requests.request is 'Given by the app: what the user asks, in words. At most 262144 bytes.';
comment on column public.agent_requests.context is 'Given by the app: a JSON object that the agent sees beside the request. At most 262144 bytes, nested at most 64 deep.';
comment on column public.agent_requests.priority is 'Given by the app: 0 to 1000, smaller first, default 100. Users may not go below 100.';
comment on column public.agent_requests.run_at is 'Given by the app: not before this time; until then it holds back no other request of its session. Set by the worker: when the next attempt is due.';
comment on column public.agent_requests.idempotency_key is 'Given by the app: a second insert of the same user with the same key is refused (unique violation; use on conflict do nothing). At most 200 characters.';
comment on column public.agent_requests.supersede_key is 'Given by the app: newest wins; open requests of the same user with the same key are cancelled. At most 200 characters.';
comment on column public.agent_requests.dry_run is 'Given by the app: tools run, but their effects are rolled back.';
comment on column public.agent_requests.status is 'queued, processing, completed or failed. Written by the worker only, as everything below.';
comment on column public.agent_requests.phase is 'Finer than status: ready, blocked, scheduled, retry_wait, waiting_dependencies, running, waiting_children, completed, failed, cancelled, superseded.';
comment on column public.agent_requests.result is 'The answer: {"answer": text, ...}. Null until completed.';
comment on column public.agent_requests.error is 'What went wrong, for a person; in retry_wait why the last attempt failed.';
comment on column public.agent_requests.error_code is 'What went wrong, for a program: a short constant word.';
comment on column public.agent_requests.agents_involved is 'Names of the agents that worked on it, its children''s among them.';
comment on column public.agent_requests.processing_time_ms is 'From the first start to the end, milliseconds.';
comment on column public.agent_requests.input_tokens is 'Tokens sent to the model that no cache served, all attempts.';
comment on column public.agent_requests.output_tokens is 'Tokens the model wrote, all attempts.';
comment on column public.agent_requests.cache_write_tokens is 'Tokens written into the provider''s cache, all attempts.';
comment on column public.agent_requests.cache_read_tokens is 'Tokens served from the provider''s cache, all attempts.';
comment on column public.agent_requests.cost_micros is 'Cost in millionths of the provider''s currency unit. 0 while no price table is configured.';
comment on column public.agent_requests.attempt is 'Starts that count: a drain or a wait for children does not.';
comment on column public.agent_requests.version is 'The fence: goes up at each claim, release and rescue. A worker''s write carries the version it claimed, or is refused.';
comment on column public.agent_requests.waits_on is 'How many requests must end before this one goes on.';
comment on column public.agent_requests.crashes is 'How many of the attempts ended with the death of their worker.';
comment on column public.agent_requests.generation is 'How many requests of the same user and supersede_key came before it, plus one.';
comment on column public.agent_requests.blocked_on is 'In phase blocked what it waits for: session (an earlier request of its session), or a limit or pause: type:NAME, workspace:UUID, user:UUID.';
comment on column public.agent_requests.worker_id is 'drover.workers.id of its owner while it runs.';
comment on column public.agent_requests.created_at is 'When it was inserted.';
comment on column public.agent_requests.started_at is 'When an agent first began to work on it.';
comment on column public.agent_requests.finished_at is 'When it reached completed or failed.';

-- The claim's ORDER BY is this index; nothing else is in it.
create index agent_requests_ready on public.agent_requests (priority, id) where phase = 'ready';
-- The same by tenant, for fair order: each workspace has its turn, or each user without one; the server's own are one tenant.
create index agent_requests_ready_fair on public.agent_requests
	(priority, (coalesce(workspace_id, user_id, '00000000-0000-0000-0000-000000000000')), id) where phase = 'ready';
create index agent_requests_due on public.agent_requests (run_at) where phase in ('scheduled', 'retry_wait');
-- Who stands in line in a session; those that are not due stand apart.
create index agent_requests_session_line on public.agent_requests (session_id, (case when phase = 'scheduled' then 1 else 0 end), id)
	where parent_id is null and status = 'queued';
-- The last guard of session order: whatever else goes wrong, two requests of a session never run at once. Children
-- run in their parent's place. Also the list of all that runs: an index by worker would cost every claim to serve a rescue.
create unique index agent_requests_running on public.agent_requests
	(session_id, (case when parent_id is null then 0 else id end)) where status = 'processing';
create index agent_requests_parked_in_session on public.agent_requests (session_id, id)
	where phase = 'blocked' and blocked_on = 'session';
create index agent_requests_parked on public.agent_requests (blocked_on, priority, id)
	where phase = 'blocked' and blocked_on <> 'session';
create index agent_requests_parent on public.agent_requests (parent_id) where parent_id is not null;
create index agent_requests_user on public.agent_requests (user_id, id) where user_id is not null;
-- Rows end nearly in the order in which they lie, so a summary of page ranges is enough; and an end costs nothing.
create index agent_requests_finished on public.agent_requests using brin (finished_at) with (pages_per_range = 32)
	where finished_at is not null;
create unique index agent_requests_idempotency on public.agent_requests (user_id, idempotency_key) nulls not distinct
	where idempotency_key is not null;
create index agent_requests_supersede on public.agent_requests (supersede_key)
	where supersede_key is not null and status in ('queued', 'processing');

-- Functions search pg_temp last: it is searched first where it is not named, and a type in it could shadow one of ours.
-- A request with a time to come waits outside the ready index, so that it costs the claim nothing.
create function drover.schedule_request() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	new.phase := 'scheduled';
	return new;
end
$$;
comment on function drover.schedule_request() is 'Trigger: puts a new request with run_at in the future into phase scheduled.';
create trigger agent_requests_schedule before insert on public.agent_requests
	for each row when (new.run_at is not null and new.phase = 'ready' and new.run_at > now())
	execute function drover.schedule_request();

alter table public.agent_sessions enable row level security;
alter table public.agent_requests enable row level security;

-- One open request stands for all: before the first has run there is no agent_sessions row.
create function drover.session_open_to_me(session uuid) returns boolean
	language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select not exists (select from public.agent_sessions s where s.id = session and s.user_id is distinct from auth.uid())
		and coalesce(
			(select r.user_id is not distinct from auth.uid() from public.agent_requests r
				where r.session_id = session and r.status = 'processing' limit 1),
			(select r.user_id is not distinct from auth.uid() from public.agent_requests r
				where r.session_id = session and r.parent_id is null and r.status = 'queued' limit 1), true)
$$;
comment on function drover.session_open_to_me(uuid) is 'Whether the user may put a request into a session: it is new, or the user''s own.';

create policy agent_sessions_own on public.agent_sessions for select to authenticated using (user_id = (select auth.uid()));
create policy agent_sessions_make on public.agent_sessions for insert to authenticated
	with check (user_id = (select auth.uid()) and drover.session_open_to_me(id));
create policy agent_sessions_edit on public.agent_sessions for update to authenticated
	using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy agent_sessions_worker on public.agent_sessions to drover_worker using (true) with check (true);
create policy agent_sessions_service on public.agent_sessions to service_role using (true) with check (true);

create policy agent_requests_own on public.agent_requests for select to authenticated using (user_id = (select auth.uid()));
create policy agent_requests_make on public.agent_requests for insert to authenticated
	with check (user_id = (select auth.uid()) and priority >= 100 and drover.session_open_to_me(session_id)
		and (idempotency_key is null or not starts_with(idempotency_key, 'schedule:'))); -- these are drover.schedules'
create policy agent_requests_worker on public.agent_requests to drover_worker using (true) with check (true);
create policy agent_requests_service on public.agent_requests to service_role using (true) with check (true);

revoke all on public.agent_sessions, public.agent_requests from public, anon, authenticated, service_role;
revoke all on sequence public.agent_requests_id_seq from public, anon, authenticated, service_role;
grant select, insert (id, user_id, workspace_id, title), update (title, status) on public.agent_sessions to authenticated;
grant select on public.agent_requests to authenticated;
grant insert (session_id, user_id, workspace_id, type, request, context, priority, run_at, idempotency_key, supersede_key,
	dry_run) on public.agent_requests to authenticated;
grant select, insert, update, delete on public.agent_sessions, public.agent_requests to service_role;
grant select, insert (id, user_id, workspace_id), update (last_activity_at) on public.agent_sessions to drover_worker;
grant select on public.agent_requests to drover_worker;
grant insert (session_id, user_id, workspace_id, parent_id, depends_on, type, request, context, priority, run_at,
	idempotency_key, supersede_key, dry_run, phase, waits_on) on public.agent_requests to drover_worker;
grant update (run_at, status, phase, result, error, error_code, agents_involved, processing_time_ms, input_tokens,
	output_tokens, cache_write_tokens, cache_read_tokens, cost_micros, attempt, version, crashes, waits_on, blocked_on,
	worker_id, started_at, finished_at) on public.agent_requests to drover_worker;

alter publication supabase_realtime add table public.agent_requests;
