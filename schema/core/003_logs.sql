-- What agents think (agent_logs), what was said block by block (agent_turns), what tools did (tool_executions).
-- Locks: SHARE ROW EXCLUSIVE on agent_requests, agent_sessions while the foreign keys and a trigger are made.
create table public.agent_logs (
	id bigint generated always as identity primary key,
	session_id uuid not null,
	request_id bigint not null,
	user_id uuid,
	seq integer not null,
	attempt integer not null,
	agent_name text not null,
	kind text not null check (kind in ('thinking', 'text', 'tool_call', 'tool_result', 'status', 'error', 'complete')),
	message text not null default '',
	data jsonb,
	"timestamp" timestamptz not null default clock_timestamp(),
	unique (request_id, seq)
);
comment on table public.agent_logs is 'The thinking stream: insert-only. Subscribe by session_id, then read what came before and fill gaps by (request_id, seq), which has neither gap nor repeat.';
comment on column public.agent_logs.id is 'Order of writing, roughly; for paging. Within a request use seq.';
comment on column public.agent_logs.session_id is 'Of the request: one subscription sees every agent of a session think.';
comment on column public.agent_logs.request_id is 'Of the request. No foreign key: it would cost a lock a row; deleting a request deletes its logs by trigger.';
comment on column public.agent_logs.user_id is 'Of the request; row level security reads only this.';
comment on column public.agent_logs.seq is '1, 2, 3 ... within the request, over all attempts, without gap or repeat.';
comment on column public.agent_logs.attempt is 'Attempt of the request that thought it.';
comment on column public.agent_logs.agent_name is 'orchestrator, project, resourcing, quotes; drover = the queue itself.';
comment on column public.agent_logs.kind is 'thinking, text, tool_call, tool_result, status, error or complete (the last row of a request).';
comment on column public.agent_logs.message is 'Text, as it is shown. Consecutive rows of kind thinking or text continue each other.';
comment on column public.agent_logs.data is 'tool_call: {id, tool, input}; tool_result: {id, tool, is_error, output}; error: {code}; complete: {result}.';
comment on column public.agent_logs."timestamp" is 'When the row was written.';
create index agent_logs_session on public.agent_logs (session_id, id);

create table public.agent_turns (
	id bigint generated always as identity primary key,
	request_id bigint not null,
	session_id uuid not null references public.agent_sessions on delete cascade,
	user_id uuid,
	workspace_id uuid,
	attempt integer not null,
	sequence_number integer not null,
	role text not null check (role in ('user', 'assistant', 'tool', 'system')),
	content_type text not null check (content_type in ('text', 'tool_call', 'tool_result', 'thinking', 'other')),
	content text,
	tool_name text,
	tool_call_id text,
	tool_input jsonb,
	tool_output jsonb,
	block json not null,
	stop_reason text,
	tokens_used integer,
	created_at timestamptz not null default clock_timestamp(),
	unique (request_id, sequence_number)
);
comment on table public.agent_turns is 'The conversation with the model, block by block: what is here is never lost and never run twice.';
comment on column public.agent_turns.id is 'Order of writing.';
comment on column public.agent_turns.request_id is 'Of the request; deleted with it by trigger.';
comment on column public.agent_turns.session_id is 'Of the request.';
comment on column public.agent_turns.user_id is 'Of the request; row level security reads only this.';
comment on column public.agent_turns.workspace_id is 'Of the request.';
comment on column public.agent_turns.attempt is 'Attempt that wrote it.';
comment on column public.agent_turns.sequence_number is '1, 2, 3 ... within the request.';
comment on column public.agent_turns.role is 'assistant: from the model; tool: a tool''s result.';
comment on column public.agent_turns.content_type is 'text, thinking, tool_call, tool_result; other: a block that only the provider understands.';
comment on column public.agent_turns.content is 'Text of text and thinking blocks.';
comment on column public.agent_turns.tool_name is 'Of a tool_call or tool_result.';
comment on column public.agent_turns.tool_call_id is 'The provider''s id that ties a tool_result to its tool_call.';
comment on column public.agent_turns.tool_input is 'Arguments of a tool_call.';
comment on column public.agent_turns.tool_output is 'Of a tool_result.';
comment on column public.agent_turns.block is 'The block exactly as it goes back to the provider (json keeps the bytes).';
comment on column public.agent_turns.stop_reason is 'On the last block of a model turn: why the model stopped, as the provider says it.';
comment on column public.agent_turns.tokens_used is 'On the last block of a model turn: tokens of that turn, in and out.';
comment on column public.agent_turns.created_at is 'When it was written.';
create index agent_turns_session on public.agent_turns (session_id, id);

create table public.tool_executions (
	id bigint generated always as identity primary key,
	request_id bigint not null,
	session_id uuid not null,
	user_id uuid,
	tool_call_id text not null,
	tool_name text not null,
	input jsonb,
	output jsonb,
	status text not null check (status in ('done', 'refused', 'dry_run')),
	attempt integer not null,
	duration_ms integer not null,
	created_at timestamptz not null default clock_timestamp(),
	unique (request_id, tool_call_id)
);
comment on table public.tool_executions is 'What tools did. Written in the transaction of the tool''s own effect, so a row means: it happened, once.';
comment on column public.tool_executions.id is 'Order of writing.';
comment on column public.tool_executions.request_id is 'Of the request; deleted with it by trigger.';
comment on column public.tool_executions.session_id is 'Of the request.';
comment on column public.tool_executions.user_id is 'Of the request; row level security reads only this.';
comment on column public.tool_executions.tool_call_id is 'The provider''s id of the call; unique within the request.';
comment on column public.tool_executions.tool_name is 'Which tool.';
comment on column public.tool_executions.input is 'Arguments as the model gave them.';
comment on column public.tool_executions.output is 'What the model was told.';
comment on column public.tool_executions.status is 'done: its effect is committed; refused: it changed nothing, output says why; dry_run: it ran and was rolled back.';
comment on column public.tool_executions.attempt is 'Attempt of the request that ran it.';
comment on column public.tool_executions.duration_ms is 'How long it ran, milliseconds.';
comment on column public.tool_executions.created_at is 'When it was written.';

create function drover.forget_logs() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if not exists (select from gone) then -- a statement that deletes nothing: the last of these
		return null;
	end if;
	delete from public.agent_logs l where l.request_id = any (array(select g.id from gone g));
	delete from public.agent_turns t where t.request_id = any (array(select g.id from gone g));
	delete from public.tool_executions x where x.request_id = any (array(select g.id from gone g));
	delete from public.agent_requests r where r.parent_id = any (array(select g.id from gone g));
	return null;
end
$$;
comment on function drover.forget_logs() is 'Trigger: deleting requests deletes their logs, turns, tool executions and children.';
create trigger agent_requests_forget after delete on public.agent_requests
	referencing old table as gone for each statement execute function drover.forget_logs();

alter table public.agent_logs enable row level security;
alter table public.agent_turns enable row level security;
alter table public.tool_executions enable row level security;
create policy agent_logs_own on public.agent_logs for select to authenticated using (user_id = (select auth.uid()));
create policy agent_turns_own on public.agent_turns for select to authenticated using (user_id = (select auth.uid()));
create policy tool_executions_own on public.tool_executions for select to authenticated using (user_id = (select auth.uid()));
create policy agent_logs_worker on public.agent_logs to drover_worker using (true) with check (true);
create policy agent_turns_worker on public.agent_turns to drover_worker using (true) with check (true);
create policy tool_executions_worker on public.tool_executions to drover_worker using (true) with check (true);
create policy agent_logs_service on public.agent_logs to service_role using (true) with check (true);
create policy agent_turns_service on public.agent_turns to service_role using (true) with check (true);
create policy tool_executions_service on public.tool_executions to service_role using (true) with check (true);

revoke all on public.agent_logs, public.agent_turns, public.tool_executions from public, anon, authenticated, service_role;
revoke all on sequence public.agent_logs_id_seq, public.agent_turns_id_seq, public.tool_executions_id_seq
	from public, anon, authenticated, service_role;
grant select on public.agent_logs, public.agent_turns, public.tool_executions to authenticated;
grant select, delete on public.agent_logs, public.agent_turns, public.tool_executions to service_role;
-- Insert-only for the worker too: nothing it wrote can be changed by it.
grant select, insert on public.agent_logs, public.agent_turns, public.tool_executions to drover_worker;

alter publication supabase_realtime add table public.agent_logs;
