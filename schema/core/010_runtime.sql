-- Model calls: what each took is kept with its turn, and counted in its request at once.
-- Locks: ACCESS EXCLUSIVE on agent_turns while its columns are added.
alter table public.agent_turns
	add column model text,
	add column usage jsonb,
	add column cost_micros bigint;
comment on column public.agent_turns.model is 'On the last block of a model turn: the model that answered.';
comment on column public.agent_turns.usage is 'On the last block of a model turn: {input_tokens, output_tokens, cache_write_tokens, cache_read_tokens}.';
comment on column public.agent_turns.cost_micros is 'On the last block of a model turn: its cost in millionths of the currency of the price table.';

create function drover.spend(of_request bigint, claimed_version integer, input bigint, output bigint, cache_write bigint,
	cache_read bigint, cost bigint) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	update public.agent_requests r
		set input_tokens = r.input_tokens + input, output_tokens = r.output_tokens + output,
			cache_write_tokens = r.cache_write_tokens + cache_write, cache_read_tokens = r.cache_read_tokens + cache_read,
			cost_micros = r.cost_micros + cost
		where r.id = of_request and r.version = claimed_version and r.phase = 'running';
	if not found then
		raise exception 'request % is no longer owned at version %', of_request, claimed_version using errcode = 'DV001';
	end if;
end
$$;
comment on function drover.spend(bigint, integer, bigint, bigint, bigint, bigint, bigint) is 'Counts a model call in its request; first in its transaction, it is the fence: raises DV001 unless the request still runs at this version.';

revoke execute on all functions in schema drover from public;
grant execute on function drover.spend(bigint, integer, bigint, bigint, bigint, bigint, bigint) to drover_worker;
