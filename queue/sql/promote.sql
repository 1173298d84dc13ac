-- Makes ready what has come due; says how many, and in how many milliseconds the next is due.
-- $1 how many at most
with due as (
	select r.id from public.agent_requests r
	where r.phase in ('scheduled', 'retry_wait') and r.run_at <= now()
	order by r.run_at limit $1::integer
	for update skip locked
), promoted as (
	update public.agent_requests r set phase = 'ready' where r.id = any (array(select due.id from due)) returning r.id
)
select (select count(*) from promoted) as promoted,
	(select ceil(extract(epoch from min(r.run_at) - clock_timestamp()) * 1000)::bigint from public.agent_requests r
		where r.phase in ('scheduled', 'retry_wait') and r.run_at > now()) as next_ms
