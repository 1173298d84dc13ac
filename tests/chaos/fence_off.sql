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
alter table public.tool_executions drop constraint tool_executions_request_id_tool_call_id_key;
alter table public.agent_turns drop constraint agent_turns_request_id_sequence_number_key;
