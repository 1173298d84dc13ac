-- Readers hear of log rows through Realtime's broadcast: one message a session and flush, read from the table.
-- Locks: none on existing tables.
create function drover.can_broadcast() returns boolean
	language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select to_regprocedure('realtime.send(jsonb,text,text,boolean)') is not null
$$;
comment on function drover.can_broadcast() is 'Whether Supabase Realtime''s realtime.send is here. Its owner''s rights: the worker''s role sees nothing of schema realtime.';

-- Realtime takes messages up to 256 KB (Free). A message holds rows up to 100 KB and the row that goes past it; a row over 80 KB is
-- cut, and says so: readers have it whole in the table.
create function drover.broadcast(requests bigint[], firsts integer[], lasts integer[]) returns integer
	language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
	set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	message record;
	sent integer := 0;
begin
	for message in
		with part (request_id, first, last) as (
			select p.* from unnest(requests, firsts, lasts) p
		), whole as (
			select l.*, octet_length(to_jsonb(l.message)::text) + coalesce(octet_length(l.data::text), 0) + 200 as bytes
				from part p cross join lateral (
					select g.session_id, g.request_id, g.seq, g.attempt, g.agent_name, g.kind, g.message, g.data
						from public.agent_logs g
						where g.request_id = p.request_id and g.seq between p.first and p.last
						offset 0 -- kept apart, so that only the index (request_id, seq) can serve it
				) l
		), placed as (
			select w.*, sum(least(w.bytes, 80000)) over (partition by w.session_id order by w.request_id, w.seq) / 100000 as nth
				from whole w
		)
		select 'session:' || p.session_id as topic, jsonb_build_object('rows', jsonb_agg(
			jsonb_build_object('request_id', p.request_id, 'seq', p.seq, 'attempt', p.attempt, 'agent_name', p.agent_name,
				'kind', p.kind)
			|| case when p.bytes > 80000 then jsonb_build_object('message', left(p.message, 10000), 'data', null, 'cut', true)
				else jsonb_build_object('message', p.message, 'data', p.data) end
			order by p.request_id, p.seq)) as payload
		from placed p group by p.session_id, p.nth order by p.session_id, p.nth
	loop
		perform realtime.send(message.payload, 'agent_logs', message.topic, true);
		sent := sent + 1;
	end loop;
	return sent;
end
$$;
comment on function drover.broadcast(bigint[], integer[], integer[]) is 'Sends rows first to last of agent_logs of each request as {rows: [...]}, event agent_logs, to the private topic session:UUID; returns the number of messages. What is sent is what the table holds, so the worker can say nothing else on anybody''s topic. realtime.send tells of failure only by a warning.';

revoke execute on all functions in schema drover from public;
grant execute on function drover.can_broadcast(), drover.broadcast(bigint[], integer[], integer[]) to drover_worker;
