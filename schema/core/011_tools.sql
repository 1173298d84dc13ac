-- Tools: calls that act outside the database have their intent written first; and people: approvals, questions, lost outcomes.
-- Locks: ACCESS EXCLUSIVE on agent_requests, tool_executions while constraints, columns and triggers are made.

-- ---- the ledger of tool calls ----

alter table public.tool_executions
	add column idempotency_key text,
	add column started_at timestamptz,
	drop constraint tool_executions_status_check,
	add constraint tool_executions_status_check check (status in ('done', 'refused', 'dry_run', 'started', 'unknown', 'rejected',
		'expired')) not valid;
alter table public.tool_executions validate constraint tool_executions_status_check;
comment on table public.tool_executions is 'What tools did. Of a tool of the database the row is written in the transaction of its effect, so done means: it happened, once. Of a tool that acts outside it is written before the call (started), and its outcome after.';
comment on column public.tool_executions.status is 'done: its effect is committed, or the other side said so; refused: it changed nothing, output says why; dry_run: it ran and was rolled back, or did not leave; started: a call outside is under way, or its worker died; unknown: nobody knows what became of it; rejected: a person said no; expired: no person answered in time.';
comment on column public.tool_executions.idempotency_key is 'Of a call outside: sent with every try of it, and with no other.';
comment on column public.tool_executions.started_at is 'Of a call outside: when an attempt last began it.';
-- Of a call outside when it is begun, and the outcome, once; nothing else can be changed.
grant update (status, output, duration_ms, started_at) on public.tool_executions to drover_worker;

-- ---- what people are asked ----

-- Wider than before, so what is there need not be looked through.
alter table public.agent_requests
	drop constraint status_and_phase,
	add constraint status_and_phase check ((status, phase) in (
		('processing', 'running'), ('completed', 'completed'), ('queued', 'ready'), ('failed', 'failed'),
		('queued', 'blocked'), ('queued', 'scheduled'), ('queued', 'retry_wait'), ('queued', 'waiting_dependencies'),
		('processing', 'waiting_children'), ('processing', 'waiting_approval'), ('processing', 'ready'), ('processing', 'blocked'),
		('failed', 'cancelled'), ('failed', 'superseded'))) not valid;
comment on column public.agent_requests.phase is 'Finer than status: ready, blocked, scheduled, retry_wait, waiting_dependencies, running, waiting_children, waiting_approval, completed, failed, cancelled, superseded.';

create table public.change_proposals (
	id bigint generated always as identity primary key,
	request_id bigint not null,
	session_id uuid not null,
	user_id uuid,
	workspace_id uuid,
	tool_call_id text not null,
	tool_name text not null,
	kind text not null constraint kind_is_known check (kind in ('approval', 'question', 'unknown')),
	input jsonb not null,
	content_hash text not null,
	preview jsonb,
	"text" text not null default '',
	not_requester boolean not null default false,
	status text not null default 'open'
		constraint status_is_known check (status in ('open', 'approved', 'rejected', 'answered', 'expired', 'cancelled')),
	decided_by uuid,
	decided_at timestamptz,
	note text constraint note_at_most_2000_characters check (length(note) <= 2000),
	answer text constraint answer_at_most_262144_bytes check (octet_length(answer) <= 262144),
	expires_at timestamptz not null,
	created_at timestamptz not null default clock_timestamp(),
	unique (request_id, tool_call_id, kind)
);
comment on table public.change_proposals is 'What agents ask people before they go on. Subscribe to show them; decide with approve_proposal, reject_proposal and answer_question.';
comment on column public.change_proposals.id is 'Order of asking.';
comment on column public.change_proposals.request_id is 'The request that waits for the decision; deleted with it by trigger.';
comment on column public.change_proposals.session_id is 'Of the request.';
comment on column public.change_proposals.user_id is 'Of the request: who sees it and may decide, unless not_requester.';
comment on column public.change_proposals.workspace_id is 'Of the request: its approvers see it and may decide.';
comment on column public.change_proposals.tool_call_id is 'The provider''s id of the tool call that waits.';
comment on column public.change_proposals.tool_name is 'Which tool.';
comment on column public.change_proposals.kind is 'approval: may the tool run with this input; question: the user is asked; unknown: the outcome of a call outside was lost, and approving runs it again.';
comment on column public.change_proposals.input is 'Arguments of the call: what the decision is bound to.';
comment on column public.change_proposals.content_hash is 'SHA-256, in hex, of tool_name, a newline and input. A decision gives it back: it is for what was read.';
comment on column public.change_proposals.preview is 'What the tool would do, as far as it could be tried. Null = it could not.';
comment on column public.change_proposals."text" is 'The question, or why it is asked; for people.';
comment on column public.change_proposals.not_requester is 'Somebody else than user_id must decide.';
comment on column public.change_proposals.status is 'open, approved, rejected, answered, expired (nobody decided in time) or cancelled (the request ended).';
comment on column public.change_proposals.decided_by is 'Who decided: auth.uid(). Null = the server, an operator, or nobody.';
comment on column public.change_proposals.decided_at is 'When it was decided, or expired.';
comment on column public.change_proposals.note is 'Of who decided, for the agent. At most 2000 characters.';
comment on column public.change_proposals.answer is 'To a question.';
comment on column public.change_proposals.expires_at is 'Until then it can be decided.';
comment on column public.change_proposals.created_at is 'When it was asked.';
create index change_proposals_open on public.change_proposals (expires_at) where status = 'open';
create index change_proposals_questions on public.change_proposals (session_id, id) where status = 'open' and kind = 'question';
create index change_proposals_user on public.change_proposals (user_id, id) where user_id is not null;
create index change_proposals_workspace on public.change_proposals (workspace_id, id) where workspace_id is not null;

create table drover.approvers (
	workspace_id uuid not null,
	user_id uuid not null,
	tool text not null default '*' constraint tool_1_to_64_characters check (length(tool) between 1 and 64),
	primary key (workspace_id, user_id, tool)
);
comment on table drover.approvers is 'Who else may see and decide the proposals of a workspace. Insert and delete rows as an operator. Whoever may insert requests with any workspace_id chooses who approves them: a restrictive policy on agent_requests must bind it to the user''s own, as that of schema psa does.';
comment on column drover.approvers.workspace_id is 'Whose requests.';
comment on column drover.approvers.user_id is 'Who may decide.';
comment on column drover.approvers.tool is 'Name of the tool; * = every tool.';

create function drover.content_hash(tool text, input jsonb) returns text
	language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
	select encode(sha256(convert_to(tool || e'\n' || input::text, 'UTF8')), 'hex')
$$;
comment on function drover.content_hash(text, jsonb) is 'What a decision is bound to: the tool and its arguments, however they are written.';

create function drover.approves(of_workspace uuid, of_tool text) returns boolean
	language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select exists (select from drover.approvers a
		where a.workspace_id = of_workspace and a.user_id = auth.uid() and a.tool in (of_tool, '*'))
$$;
comment on function drover.approves(uuid, text) is 'Whether the caller is listed as an approver of a tool in a workspace.';

alter table public.change_proposals enable row level security;
create policy change_proposals_own on public.change_proposals for select to authenticated
	using (user_id = (select auth.uid()) or drover.approves(workspace_id, tool_name));
create policy change_proposals_worker on public.change_proposals to drover_worker using (true) with check (true);
create policy change_proposals_service on public.change_proposals to service_role using (true) with check (true);
revoke all on public.change_proposals from public, anon, authenticated, service_role;
revoke all on sequence public.change_proposals_id_seq from public, anon, authenticated, service_role;
grant select on public.change_proposals to authenticated;
grant select, delete on public.change_proposals to service_role;
-- It asks and decides through functions only: what was asked and what was said cannot be changed by it.
grant select on public.change_proposals to drover_worker;
alter publication supabase_realtime add table public.change_proposals;

create function drover.forget_proposals() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	delete from public.change_proposals p where p.request_id = any (array(select g.id from gone g));
	return null;
end
$$;
comment on function drover.forget_proposals() is 'Trigger: deleting requests deletes what they asked people.';
create trigger agent_requests_forget_proposals after delete on public.agent_requests
	referencing old table as gone for each statement execute function drover.forget_proposals();

-- ---- asking ----

-- Above 0 while a question may be open: what an insert looks at first, without a query. Not transactional, so it is seen
-- before the question is.
create sequence drover.asking minvalue 0;
select setval('drover.asking', 0);
grant select on sequence drover.asking to public; -- the trigger's condition is evaluated as who inserts

create table drover.asking_count ();
comment on table drover.asking_count is 'Empty: locked while it is noted that a question is open.';

create function drover.wait_for_people(of_request bigint, claimed_version integer, agent text, asked jsonb) returns void
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	one record;
begin
	perform drover.fence(of_request, claimed_version);
	if exists (select from jsonb_array_elements(asked) q where q ->> 'kind' = 'question') then
		lock table drover.asking_count in row exclusive mode; -- who finds that none is open has counted by then, or waits
		perform setval('drover.asking', 1);
	end if;
	for one in
			insert into public.change_proposals as p (request_id, session_id, user_id, workspace_id, tool_call_id, tool_name, kind,
					input, content_hash, preview, "text", not_requester, expires_at)
				select r.id, r.session_id, r.user_id, r.workspace_id, q ->> 'tool_call_id', q ->> 'tool_name', q ->> 'kind',
					q -> 'input', drover.content_hash(q ->> 'tool_name', q -> 'input'), nullif(q -> 'preview', 'null'),
					coalesce(q ->> 'text', ''), coalesce((q ->> 'not_requester')::boolean, false),
					clock_timestamp() + (q ->> 'expire_ms')::bigint * interval '1 millisecond'
				from public.agent_requests r cross join jsonb_array_elements(asked) with ordinality as e (q, nth)
				where r.id = of_request
				order by e.nth
				-- of a request that was cancelled and is run again, what was asked is asked anew; and whether to run a lost call again,
				-- when it was and is lost once more
				on conflict (request_id, tool_call_id, kind) do update set status = 'open', decided_by = null, decided_at = null,
						note = null, tool_name = excluded.tool_name, input = excluded.input, content_hash = excluded.content_hash,
						preview = excluded.preview, "text" = excluded."text", not_requester = excluded.not_requester,
						expires_at = excluded.expires_at
					where p.status = 'cancelled' or (p.kind = 'unknown' and p.status = 'approved')
				returning p.id, p.kind, p.tool_name, p.tool_call_id, p."text" as words loop
		insert into public.agent_logs (session_id, request_id, user_id, seq, attempt, agent_name, kind, message, data)
			select r.session_id, r.id, r.user_id, drover.last_seq(r.id) + 1, r.attempt, agent, 'status',
				case one.kind when 'question' then 'asks: ' || one.words
					when 'approval' then format('asks for approval of %s', one.tool_name) || coalesce(': ' || nullif(one.words, ''), '')
					else format('asks whether %s is to run again: what became of it is not known', one.tool_name) end,
				jsonb_build_object('proposal_id', one.id, 'kind', one.kind, 'tool', one.tool_name, 'id', one.tool_call_id)
			from public.agent_requests r where r.id = of_request;
	end loop;
	update public.agent_requests r
		set phase = case when exists (select from public.change_proposals p where p.request_id = r.id and p.status = 'open')
				then 'waiting_approval' else 'ready' end,
			version = r.version + 1, attempt = r.attempt - 1, worker_id = null
		where r.id = of_request;
	perform drover.return_permits(array[of_request]);
	perform drover.end_if_told(of_request);
end
$$;
comment on function drover.wait_for_people(bigint, integer, text, jsonb) is 'Makes proposals [{tool_call_id, tool_name, kind, input, preview, text, not_requester, expire_ms}], each once, and lets the request wait for their decisions without a worker.';

create function drover.check_approval(of_request bigint, of_call text, tool text, input jsonb) returns void
	language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	if not exists (select from public.change_proposals p where p.request_id = of_request and p.tool_call_id = of_call
			and p.kind = 'approval' and p.status = 'approved' and p.content_hash = drover.content_hash(check_approval.tool, check_approval.input)) then
		raise exception 'changed after approval: what was approved is not this call of %', tool;
	end if;
end
$$;
comment on function drover.check_approval(bigint, text, text, jsonb) is 'Fails unless exactly this call was approved; in the transaction that runs it.';

-- ---- deciding ----

create function drover.go_on(of_request bigint) returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	-- who calls holds the request's row: two that decide at once must see each other
	update public.agent_requests r set phase = 'ready' where r.id = of_request and r.phase = 'waiting_approval'
		and not exists (select from public.change_proposals p where p.request_id = of_request and p.status = 'open');
	if not found then
		return false;
	end if;
	perform nextval('drover.returns');
	perform drover.wake();
	return true;
end
$$;
comment on function drover.go_on(bigint) is 'A request whose proposals are all decided is ready again.';

create function drover.decide(of_proposal bigint, verdict text, hash text, new_note text, new_answer text, decider uuid) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	p public.change_proposals;
	of_request bigint;
begin
	select q.request_id into of_request from public.change_proposals q where q.id = of_proposal;
	-- the request before the proposal: the order of locks, also where a request ends
	perform from public.agent_requests r where r.id = of_request for update;
	select q.* into p from public.change_proposals q where q.id = of_proposal for update;
	if p.id is null then
		raise exception 'proposal % is not there', coalesce(of_proposal::text, 'null') using errcode = 'PT404',
			hint = 'It was deleted, or it is not yours to see.';
	elsif p.status <> 'open' then
		raise exception 'proposal % is no longer open: it is %', p.id, p.status using errcode = 'PT409';
	elsif p.expires_at <= clock_timestamp() then
		raise exception 'proposal % has expired', p.id using errcode = 'PT409';
	elsif hash is not null and hash <> drover.content_hash(p.tool_name, p.input) then
		raise exception 'the proposal has changed' using errcode = 'PT409', hint = 'Read it again, and decide on what it says now.';
	elsif p.kind = 'question' and verdict = 'approved' then
		raise exception 'proposal % is a question: it needs an answer, not an approval', p.id using errcode = 'invalid_parameter_value';
	elsif p.kind <> 'question' and verdict = 'answered' then
		raise exception 'proposal % is no question: approve or reject it', p.id using errcode = 'invalid_parameter_value';
	elsif length(new_note) > 2000 then
		raise exception 'the note has % characters; at most 2000 are kept', length(new_note) using errcode = 'invalid_parameter_value';
	elsif verdict = 'answered' and coalesce(btrim(new_answer), '') = '' then
		raise exception 'the answer is empty' using errcode = 'invalid_parameter_value';
	elsif octet_length(new_answer) > 262144 then
		raise exception 'the answer has % bytes; at most 262144 are kept', octet_length(new_answer) using errcode = 'invalid_parameter_value';
	end if;
	update public.change_proposals q set status = verdict, decided_by = decider, decided_at = clock_timestamp(),
			note = nullif(btrim(new_note), ''), answer = new_answer
		where q.id = p.id;
	perform drover.go_on(p.request_id);
	return true;
end
$$;
comment on function drover.decide(bigint, text, text, text, text, uuid) is 'Decides an open proposal, whoever calls; its request goes on when it was the last. Nothing is changed where it fails.';

create function drover.decide_as_caller(of_proposal bigint, verdict text, hash text, new_note text, new_answer text) returns boolean
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	p public.change_proposals;
	listed boolean;
begin
	select q.* into p from public.change_proposals q where q.id = of_proposal;
	if not found or (not drover.acts_for(p.user_id) and not drover.approves(p.workspace_id, p.tool_name)) then
		-- the same words for both: whether a number is taken is nobody's business
		raise exception 'proposal % is not there', coalesce(of_proposal::text, 'null') using errcode = 'PT404',
			hint = 'It was deleted, or it is not yours to see.';
	elsif p.not_requester and not drover.acts_for(null) and p.user_id is not distinct from auth.uid() then
		raise exception 'proposal % must be decided by somebody else than who asked for it', p.id using errcode = 'insufficient_privilege';
	end if;
	return drover.decide(of_proposal, verdict, hash, new_note, new_answer, auth.uid());
end
$$;
comment on function drover.decide_as_caller(bigint, text, text, text, text) is 'Decides for who is logged in: the requester unless not_requester, a listed approver, or service_role.';

create function drover.decide_proposal(of_proposal bigint, verdict text, note text) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	asks boolean := exists (select from public.change_proposals q where q.id = of_proposal and q.kind = 'question');
begin
	if verdict is null or verdict not in ('approved', 'rejected') then
		raise exception 'a proposal is approved or rejected, not %', coalesce(verdict, 'null') using errcode = 'invalid_parameter_value';
	elsif asks and verdict = 'approved' and note is not null then
		return drover.decide(of_proposal, 'answered', null, null, note, null);
	end if;
	return drover.decide(of_proposal, verdict, null, note, null, null);
end
$$;
comment on function drover.decide_proposal(bigint, text, text) is 'An operator''s decision: approved or rejected. The note to a question that is approved is its answer.';

create function public.approve_proposal(id bigint, content_hash text, note text default null) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if content_hash is null then
		raise exception 'content_hash is missing: give back that of the proposal that was read' using errcode = 'invalid_parameter_value';
	end if;
	return drover.decide_as_caller(id, 'approved', content_hash, note, null);
end
$$;
comment on function public.approve_proposal(bigint, text, text) is 'Lets a tool call run, or run again. content_hash is that of the proposal as it was read. Returns true. Errors: PT404 (HTTP 404) it is not there or not yours to see; 42501 somebody else must decide; PT409 (HTTP 409) it is decided already, has expired or has changed; 22023 it is a question, or the note has more than 2000 characters. After an error nothing has changed.';

create function public.reject_proposal(id bigint, note text default null) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	return drover.decide_as_caller(id, 'rejected', null, note, null);
end
$$;
comment on function public.reject_proposal(bigint, text) is 'Says no: the agent is told, with the note, and goes on. Returns true. Errors as of approve_proposal.';

create function public.answer_question(id bigint, answer text) returns boolean
	language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	return drover.decide_as_caller(id, 'answered', null, null, coalesce(answer, ''));
end
$$;
comment on function public.answer_question(bigint, text) is 'Answers a question of an agent; the next request of the session would do it as well. Returns true. Errors as of approve_proposal; 22023 it is no question, or the answer is empty or has more than 262144 bytes.';

create function drover.answer_by_request() returns trigger language plpgsql security definer
	set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	asked record;
begin
	select p.id, p.request_id into asked from public.change_proposals p
		where p.session_id = new.session_id and p.kind = 'question' and p.status = 'open'
			and p.user_id is not distinct from new.user_id and p.expires_at > clock_timestamp()
		order by p.id limit 1;
	if not found then
		return null;
	end if;
	perform from public.agent_requests r where r.id = asked.request_id for update;
	update public.change_proposals p set status = 'answered', answer = new.request, decided_by = new.user_id,
			decided_at = clock_timestamp()
		where p.id = asked.id and p.status = 'open';
	if not found then -- decided while we waited: then this is a request like any other
		return null;
	end if;
	update public.agent_requests r
		set status = 'completed', phase = 'completed', result = jsonb_build_object('answered', asked.request_id),
			started_at = clock_timestamp(), finished_at = clock_timestamp()
		where r.id = new.id;
	perform drover.queue_log(new.id, 'complete', format('the answer to a question of request %s', asked.request_id),
		jsonb_build_object('result', jsonb_build_object('answered', asked.request_id)));
	perform drover.go_on(asked.request_id);
	return null;
end
$$;
comment on function drover.answer_by_request() is 'Trigger: while a question of the session is open, the next request of its user is the answer, and is completed at once; not one of a schedule, and no dry run.';
create trigger agent_requests_answer after insert on public.agent_requests
	for each row when (new.parent_id is null and new.phase = 'ready' and not new.dry_run
		and not starts_with(coalesce(new.idempotency_key, ''), 'schedule:') -- these are the clock's: drover.schedules
		and pg_sequence_last_value('drover.asking'::regclass) > 0)
	execute function drover.answer_by_request();

create function drover.expire_proposals(at_most integer, out expired integer, out next_ms bigint)
	language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	due record;
begin
	expired := 0;
	for due in select distinct p.request_id from (select q.request_id from public.change_proposals q
			where q.status = 'open' and q.expires_at <= clock_timestamp() order by q.expires_at limit at_most) p order by 1 loop
		-- who holds it decides, ends it, or comes here too
		perform from public.agent_requests r where r.id = due.request_id for update skip locked;
		continue when not found;
		update public.change_proposals p set status = 'expired', decided_at = clock_timestamp()
			where p.request_id = due.request_id and p.status = 'open' and p.expires_at <= clock_timestamp();
		expired := expired + drover.go_on(due.request_id)::integer;
	end loop;
	select ceil(extract(epoch from q.expires_at - clock_timestamp()) * 1000)::bigint into next_ms from public.change_proposals q
		where q.status = 'open' order by q.expires_at limit 1;
	if (select a.last_value from drover.asking a) > 0
			and not exists (select from public.change_proposals q where q.status = 'open' and q.kind = 'question') then
		begin
			lock table drover.asking_count in share row exclusive mode nowait; -- nobody is just asking
			if not exists (select from public.change_proposals q where q.status = 'open' and q.kind = 'question') then
				perform setval('drover.asking', 0);
			end if;
		exception when lock_not_available then
			null; -- the next time
		end;
	end if;
end
$$;
comment on function drover.expire_proposals(integer, out integer, out bigint) is 'Proposals that nobody decided in time expire; how many requests go on. next_ms: until the next is due, null = none is open. Inserts no longer look for questions when none is open.';

-- ---- the ends of a request that waits ----

create function drover.close_proposals(of_request bigint) returns void
	language sql security definer set search_path = pg_catalog, pg_temp as $$
	update public.change_proposals p set status = 'cancelled', decided_at = clock_timestamp()
		where p.request_id = of_request and p.status = 'open'
$$;
comment on function drover.close_proposals(bigint) is 'A request has ended: nobody is asked any more.';

create or replace function drover.end_request(of_request bigint, new_phase text, code text, why text) returns boolean
	language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	child bigint;
	running_child boolean;
	told integer;
	r record;
begin
	-- the order of locks, here and where runs end: who runs, then the parent, then its children that wait
	perform from public.agent_requests p where p.phase = 'waiting_children'
		and p.id = (select q.parent_id from public.agent_requests q where q.id = of_request) for no key update;
	insert into drover.cancels (request_id, phase, code, why)
		select q.id, new_phase, code, why from public.agent_requests q
			where q.id = of_request and q.status in ('queued', 'processing')
		on conflict do nothing;
	get diagnostics told = row_count;
	for child in select q.id from public.agent_requests q
			where q.parent_id = of_request and q.status in ('queued', 'processing') order by q.id loop
		perform drover.end_request(child, new_phase, code, why);
	end loop;
	select q.phase, q.status into r from public.agent_requests q where q.id = of_request;
	if r.phase <> 'running' then -- a running one's row may be held by its tool's transaction
		select q.phase, q.status, q.session_id, q.parent_id into r from public.agent_requests q where q.id = of_request for update;
	end if;
	if r.phase is null or r.status in ('completed', 'failed') then
		delete from drover.cancels c where c.request_id = of_request;
		return told > 0 and r.phase = new_phase; -- with the last of its children
	end if;
	running_child := exists (select from public.agent_requests q where q.parent_id = of_request and q.status in ('queued', 'processing'));
	if r.phase = 'running' or running_child then -- a parent ends with its last child: until then the session is not free
		perform pg_notify('drover_cancel', of_request::text);
		return true;
	end if;
	if r.phase = 'waiting_approval' then
		perform drover.close_proposals(of_request);
	end if;
	update public.agent_requests
		set status = 'failed', phase = new_phase, error = why, error_code = code, version = version + 1, waits_on = 0,
			blocked_on = null, worker_id = null, finished_at = clock_timestamp(),
			processing_time_ms = least(coalesce(extract(epoch from clock_timestamp() - started_at) * 1000, 0), 2147483647)
		where id = of_request;
	delete from drover.cancels c where c.request_id = of_request;
	perform drover.queue_log(of_request, 'error', why, jsonb_build_object('code', code));
	perform drover.free_waiting(of_request);
	if r.parent_id is null and drover.unpark_sessions(array[r.session_id]) > 0 then
		perform drover.wake();
	end if;
	return true;
end
$$;

-- ---- once more ----

create or replace function drover.retry(of_request bigint) returns text language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
	r record;
	other record;
begin
	select q.status, q.parent_id, q.user_id, q.session_id, q.supersede_key, q.generation into r
		from public.agent_requests q where q.id = of_request;
	if not found then
		return 'not_there';
	elsif r.parent_id is not null then
		return 'child';
	elsif r.status <> 'failed' then
		return 'not_failed';
	end if;
	if exists (select from public.agent_sessions s where s.id = r.session_id and s.user_id is distinct from r.user_id)
			or exists (select from public.agent_requests q where q.session_id = r.session_id and q.parent_id is null
				and q.status = 'processing' and q.user_id is distinct from r.user_id)
			or exists (select from public.agent_requests q where q.session_id = r.session_id and q.parent_id is null
				and q.status = 'queued' and q.user_id is distinct from r.user_id) then
		return 'foreign_session';
	end if;
	if r.supersede_key is not null then
		perform drover.lock_keys(r.user_id, r.supersede_key);
		for other in select q.id, q.generation from public.agent_requests q
				where q.supersede_key = r.supersede_key and q.user_id is not distinct from r.user_id and q.parent_id is null
					and q.status in ('queued', 'processing') order by q.generation desc loop
			if other.generation > r.generation then
				return 'superseded';
			elsif other.generation < r.generation then
				perform drover.end_request(other.id, 'superseded', 'superseded', format('superseded by request %s', of_request));
			end if;
		end loop;
	end if;
	update public.agent_requests q
		set status = 'queued', phase = 'ready', version = q.version + 1, attempt = 0, crashes = 0, error = null, error_code = null,
			result = null, finished_at = null, run_at = null, waits_on = 0, blocked_on = null
		where q.id = of_request and q.status = 'failed';
	if not found then
		return 'not_failed';
	end if;
	delete from drover.cancels c where c.request_id = of_request; -- was told when its end was already under way
	-- what its children did not bring to an end is made anew, unless its model was told of that end
	update public.agent_requests c set phase = 'superseded'
		where c.parent_id = of_request and c.phase in ('failed', 'cancelled') and not exists (select from public.tool_executions x
			where x.request_id = of_request and x.output ->> 'child' = c.id::text);
	perform nextval('drover.returns'); -- it stands before what came after it
	perform drover.wake();
	return 'again';
end
$$;
comment on function drover.retry(bigint) is 'Makes a failed request ready again with a fresh count of attempts: again. Its failed and cancelled children are superseded: it makes new ones. Else not_there, child (retry its parent), not_failed, superseded (a newer one of its supersede_key is open), or foreign_session (the session has become another user''s).';

-- ---- why a request waits ----

create or replace function drover.why_state(r public.agent_requests) returns jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select case
		when r.status in ('completed', 'failed') then drover.cause('ended', r.finished_at, null,
			jsonb_build_object('phase', r.phase, 'parent', r.parent_id, 'error', r.error, 'code', r.error_code))
		when r.phase = 'running' then drover.why_runs(r)
		when r.phase in ('scheduled', 'retry_wait') then
			drover.cause(case when r.run_at <= clock_timestamp() then 'due' else r.phase end, null, r.run_at, case r.phase
				when 'retry_wait' then jsonb_build_object('attempt', r.attempt, 'error', r.error, 'code', r.error_code) else '{}' end)
		when r.phase in ('waiting_children', 'waiting_dependencies') then drover.why_waits(r)
		when r.phase not in ('ready', 'blocked', 'waiting_approval') then drover.cause('phase', null, null, jsonb_build_object('phase', r.phase)) end
$$;

create or replace function drover.why_people(r public.agent_requests) returns setof jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select drover.cause('people', min(p.created_at), min(p.expires_at), jsonb_build_object('n', count(*),
		'ids', (array_agg(p.id order by p.id))[1:10], 'kind', (array_agg(p.kind order by p.id))[1],
		'tool', (array_agg(p.tool_name order by p.id))[1], 'text', left((array_agg(p."text" order by p.id))[1], 200),
		'not_requester', bool_or(p.not_requester)))
	from public.change_proposals p where p.request_id = r.id and p.status = 'open' and r.phase = 'waiting_approval'
	having count(*) > 0
$$;

-- Few rows that change once, and are looked through by their open ones.
alter table public.change_proposals set (
	autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);

revoke execute on all functions in schema drover from public;
revoke execute on function public.approve_proposal(bigint, text, text), public.reject_proposal(bigint, text),
	public.answer_question(bigint, text) from public, anon;
grant execute on function public.approve_proposal(bigint, text, text), public.reject_proposal(bigint, text),
	public.answer_question(bigint, text) to authenticated, service_role;
grant execute on function drover.approves(uuid, text) to authenticated; -- a policy asks it
grant execute on function drover.content_hash(text, jsonb), drover.wait_for_people(bigint, integer, text, jsonb),
	drover.check_approval(bigint, text, text, jsonb), drover.decide_proposal(bigint, text, text),
	drover.expire_proposals(integer), drover.close_proposals(bigint) to drover_worker;
