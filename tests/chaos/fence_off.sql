-- The fence does nothing any more: who lost a request can go on writing to it. For the test of the checker only.
create or replace function drover.fence(of_request bigint, claimed_version integer) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform from public.agent_requests r where r.id = of_request;
end
$$;
create or replace function drover.fence_to_end(of_request bigint, claimed_version integer) returns void
	language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform from public.agent_requests r where r.id = of_request;
end
$$;
-- What the fence alone should prevent is not to be prevented by these.
create function public.another_name() returns trigger language plpgsql as $$
begin
	if exists (select from public.tool_executions x where x.request_id = new.request_id and x.tool_call_id = new.tool_call_id) then
		new.tool_call_id := new.tool_call_id || ' ' || gen_random_uuid();
	end if;
	return new;
end
$$;
create trigger tool_executions_another_name before insert on public.tool_executions
	for each row execute function public.another_name();
alter table public.agent_turns drop constraint agent_turns_request_id_sequence_number_key;
