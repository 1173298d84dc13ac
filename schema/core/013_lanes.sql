-- Lanes: what the workers tell each other, and operators, of the doors to models.
-- Locks: none on existing tables.
create table drover.lanes (
	lane text primary key,
	paused_until timestamptz,
	reason text check (reason in ('rate_limited', 'circuit_open', 'spend_limit', 'auth')),
	why text,
	requests_per_minute integer,
	tokens_per_minute integer,
	updated_at timestamptz not null default clock_timestamp(),
	check ((reason is null) = (paused_until is null))
) with (fillfactor = 50);
comment on table drover.lanes is 'One row a lane of models (one key of one provider) of which a worker has learned something. A deleted row is only forgotten.';
comment on column drover.lanes.lane is 'Its name, as in models.yaml; default is the lane of model.*.';
comment on column drover.lanes.paused_until is 'Until then all workers leave it alone; null or past = it is in use.';
comment on column drover.lanes.reason is 'rate_limited: the provider said so; circuit_open: too many failures in a row; spend_limit and auth: an operator must act.';
comment on column drover.lanes.why is 'The error that led to the pause.';
comment on column drover.lanes.requests_per_minute is 'The limit of all workers together, as the provider''s answers say; null = they do not. What is configured stands in the configuration.';
comment on column drover.lanes.tokens_per_minute is 'The same in tokens.';
comment on column drover.lanes.updated_at is 'When a worker last had something new to say.';
grant select, insert, update, delete on drover.lanes to drover_worker;

create or replace function drover.why_lanes(r public.agent_requests) returns setof jsonb
	language sql stable set search_path = pg_catalog, pg_temp as $$
	select drover.cause('lane', null, l.paused_until, jsonb_build_object('lane', l.lane, 'reason', l.reason, 'why', l.why))
	from drover.lanes l where r.phase = 'running' and l.paused_until > clock_timestamp()
	order by l.paused_until desc, l.lane limit 10
$$;
comment on function drover.why_lanes(public.agent_requests) is 'Lanes of models that are paused while a request runs: if it asks one of them, it waits there. Which one it asks only its worker knows.';

revoke execute on all functions in schema drover from public;
grant execute on function drover.why_lanes(public.agent_requests) to drover_worker;
