-- Where people are booked beyond their time or on approved leave, by stretches of days, with the bookings involved.
-- $1 workspace or null, $2 from, $3 to (included), $4 whether soft bookings count, $5 resource or null
with w as (
	select psa.here($1::uuid) as id, psa.days($2::date, $3::date) as days
), trouble as (
	select w.id as workspace_id, d.resource_id, d.day, l.load, d.on_leave
	from w cross join lateral psa.resource_days(w.id, w.days) d
	cross join lateral (select d.hard + case when $4::boolean then d.soft else 0 end as load) l
	where l.load > 1000 or (d.on_leave and l.load > 0)
), stretches as (
	select t.*,
		t.day - (row_number() over (partition by t.resource_id, t.load, t.on_leave order by t.day))::int as stretch
	from trouble t
), found as (
	select s.workspace_id, s.resource_id, s.load, s.on_leave, min(s.day) as first_day, max(s.day) as last_day
	from stretches s group by s.workspace_id, s.resource_id, s.load, s.on_leave, s.stretch
)
select r.name as resource, case when f.on_leave then 'on_leave' else 'overbooked' end as conflict,
	f.first_day as "from", f.last_day as "to", f.load as permille,
	(select jsonb_agg(jsonb_build_object('booking', b.number, 'project', p.code, 'kind', b.kind, 'permille', b.permille,
			'from', lower(b.during), 'to', upper(b.during) - 1) order by b.number)
		from psa.live_bookings b join psa.projects p on p.workspace_id = b.workspace_id and p.id = b.project_id
		where b.workspace_id = f.workspace_id and b.resource_id = f.resource_id and (b.kind = 'hard' or $4)
			and b.during && daterange(f.first_day, f.last_day, '[]')) as bookings
from found f
join psa.resources r on r.workspace_id = f.workspace_id and r.id = f.resource_id
where $5::text is null or r.id = psa.find(f.workspace_id, 'resources', $5)
order by r.name, f.first_day, f.on_leave
limit 100
