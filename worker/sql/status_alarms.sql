-- What the alarms of status measure, one row each; measured null = not visible to this role.
-- $1 whether workers listen, $2 and $3 whether requests and logs are pruned, $4 watchers of a session, $5 messages a second allowed, $6 default limits, $7 default budgets
with live as materialized (
	select w.*, extract(epoch from now() - w.heartbeat_at) as age, extract(epoch from w.lease_until - now()) as left_s
	from drover.workers w where w.lease_until > now()
), running as materialized (
	select r.worker_id, count(*) as n from public.agent_requests r
	where r.status = 'processing' and r.phase = 'running' group by r.worker_id
), head as materialized (
	select r.id, r.version, now() - greatest(r.created_at, r.run_at) as waited
	from public.agent_requests r where r.phase = 'ready' order by r.priority, r.id limit 1
), free as materialized (
	select coalesce(sum(l.slots), 0) - coalesce((select sum(r.n) from running r), 0) as slots from live l where not l.draining
), holder as materialized ( -- who keeps vacuum from removing what died since
	select * from (
		select format('connection %s of %s%s', a.pid, a.usename, coalesce(', ' || nullif(a.application_name, ''), '')) as who,
			age(a.backend_xmin) as age, a.xact_start as since, a.state
		from pg_stat_activity a join pg_database d on d.datname = current_database() and coalesce(a.datid, d.oid) = d.oid
		where a.usesysid is not null and a.pid <> pg_backend_pid()
		union all
		select format('replication slot %s', s.slot_name), age(s.xmin), null, null from pg_replication_slots s
		union all
		select format('prepared transaction %s', p.gid), age(p.transaction), p.prepared, null
		from pg_prepared_xacts p where p.database = current_database()
	) h where h.age is not null order by h.age desc limit 1
), ours as materialized (
	select c.oid, c.oid::regclass::text as name, greatest(age(c.relfrozenxid), mxid_age(c.relminmxid)) as age,
		coalesce(s.n_dead_tup, 0) as dead, coalesce(s.n_live_tup, 0) as live, greatest(s.last_autovacuum, s.last_vacuum) as vacuumed
	from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_user_tables s on s.relid = c.oid
	where c.relkind = 'r' and (n.nspname = 'drover' or (n.nspname = 'public' and c.relname in
		('agent_requests', 'agent_sessions', 'agent_logs', 'agent_turns', 'tool_executions')))
), dead as materialized (
	select o.*, case when o.vacuumed > now() - interval '10 minutes' then 0 else o.dead end as forgotten
	from ours o order by forgotten desc limit 1
), newest as materialized (
	select l."timestamp" from public.agent_logs l order by l.id desc limit 1000
), rates as materialized (
	select case when count(*) = 1000 and min(n."timestamp") > now() - interval '1 minute'
			then 1000 / greatest(extract(epoch from now() - min(n."timestamp")), 0.1)
			else count(*) filter (where n."timestamp" > now() - interval '1 minute') / 60.0 end
		-- an insert, a start and an end of each request are changes too
		+ 3 * (select count(*) from public.agent_requests r where r.finished_at > now() - interval '1 minute') / 60.0 as rows_s,
		(select max(s.n_live_tup) from pg_stat_all_tables s where s.schemaname = 'realtime' and s.relname = 'subscription') as watching
	from newest n
), pruning as materialized (
	select t.task, extract(epoch from now() - case when p.done_at >= p.pass_began_at then p.done_at
		else coalesce(p.pass_began_at, (select min(l.started_at) from live l), now()) end) as late_s
	from (values ('requests', $2::boolean), ('logs', $3::boolean)) t (task, wanted)
	left join drover.pruning p on p.task = t.task
	where t.wanted
)
select 'no_worker' as name, (not exists (select from live))::integer::bigint as measured,
	format('%s request(s) are ready or run', (select count(*) from public.agent_requests r where r.phase = 'ready')
		+ (select coalesce(sum(r.n), 0) from running r)) as detail
union all select 'claims_stopped', case when free.slots > 0 and drover.room('all', '', $6::jsonb) is distinct from 0
		then coalesce((select extract(epoch from head.waited) from head), 0) else 0 end::bigint,
	format('%s:%s', (select head.id from head), (select head.version from head)) from free
union all select 'lease_lapsed', coalesce(max(extract(epoch from now() - w.lease_until)), 0)::bigint,
	format('%s request(s) of %s worker(s), such as %s', sum(r.n), count(*), min(w.host || ':' || w.pid))
	from drover.workers w join running r on r.worker_id = w.id where w.lease_until <= now()
union all select 'no_owner', coalesce(sum(r.n), 0)::bigint, format('worker %s', min(r.worker_id::text))
	from running r where not exists (select from drover.workers w where w.id = r.worker_id)
union all select 'heartbeat_late', coalesce(max(100 * l.age / nullif(l.age + l.left_s, 0)), 0)::bigint,
	format('worker %s', (array_agg(l.host || ':' || l.pid order by l.age desc))[1]) from live l
union all select 'nobody_listens', ($1::boolean and exists (select from live l where l.started_at < now() - interval '1 minute')
		and not exists (select from pg_stat_activity a where a.application_name = 'drover listener'
			and a.datname = current_database()))::integer::bigint, ''
union all select 'notify_queue', (100 * pg_notification_queue_usage())::bigint, ''
union all select 'held_snapshot', coalesce((select h.age from holder h), 0)::bigint,
	(select h.who || coalesce(', ' || h.state, '') || case when h.since is not null
			then format(', since %s s', extract(epoch from now() - h.since)::bigint)
			when h.who like 'connection%' then ', since when is not visible to this role' else '' end from holder h)
union all select 'slot_wal', coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) / 1048576), 0)::bigint,
	format('replication slot %s', (array_agg(s.slot_name order by s.restart_lsn nulls last))[1]) from pg_replication_slots s
union all select 'wraparound', (100 * greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) / 2147483648.0)::bigint,
	(select format('oldest of Drover''s tables is %s, %s transactions', o.name, o.age) from ours o order by o.age desc limit 1)
	from pg_database d where d.datname = current_database()
union all select 'dead_rows', d.forgotten,
	format('%s: %s live rows, vacuumed %s', d.name, d.live, coalesce(to_char(d.vacuumed, 'YYYY-MM-DD HH24:MI'), 'never')) from dead d
union all select 'ready_index', greatest(pg_relation_size('public.agent_requests_ready') -
		64 * (select count(*) from public.agent_requests r where r.phase = 'ready'), 0) / 1048576, ''
union all select 'prune_late', coalesce(max(p.late_s), 0)::bigint, (array_agg(p.task order by p.late_s desc))[1] from pruning p
union all select 'realtime_messages', case when r.watching is null or $5::bigint = 0 then 0
		else 100 * r.rows_s * $4::bigint / $5::bigint end::bigint,
	format('about %s rows/s to %s watcher(s) each, %s messages/s allowed', round(r.rows_s, 1), $4::bigint, $5::bigint) from rates r
union all select 'realtime_rows', coalesce(100 * r.rows_s * r.watching / 15000, 0)::bigint,
	format('about %s rows/s past %s subscriptions', round(r.rows_s, 1), r.watching) from rates r
union all select 'budget', coalesce(max(u.percent), 0)::bigint,
	format('%s near it, such as %s', count(*) filter (where u.percent >= 80), (array_agg(u.scope || ' ' || u.key order by u.percent desc))[1])
	from drover.budgets_used($7::jsonb) u
union all select 'lane_paused', count(*), string_agg(format('%s: %s', l.lane, l.reason), ', ' order by l.lane)
	from (select * from drover.lanes l where l.paused_until > now() and l.reason in ('rate_limited', 'circuit_open') limit 10) l
union all select 'lane_refused', count(*), string_agg(format('%s: %s', l.lane, l.reason), ', ' order by l.lane)
	from (select * from drover.lanes l where l.paused_until > now() and l.reason in ('spend_limit', 'auth') limit 10) l
