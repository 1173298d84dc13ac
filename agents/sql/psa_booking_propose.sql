-- Books a person softly for 14 days from now; minutes become the smallest permille of the working time that holds them.
-- $1 workspace or null, $2 resource, $3 project code, $4 from, $5 to (included), $6 permille or 0, $7 minutes or 0,
-- $8 task name or number or null, $9 note or null, $10 request
with want as (
	select w.id as workspace_id, psa.find(w.id, 'resources', $2::text) as resource_id,
		psa.find(w.id, 'projects', $3::text) as project_id, psa.days($4::date, $5::date) as days
	from (select psa.here($1::uuid, true) as id) w
), capacity as (
	select w.*, psa.work_minutes(w.workspace_id, w.resource_id, w.days) as minutes,
		(select max(d.hard + d.soft) from psa.resource_days(w.workspace_id, w.days, w.resource_id) d) as peak
	from want w
), share as (
	select c.*, coalesce(nullif($6::int, 0), psa.minutes_to_permille($7::bigint, c.minutes)) as permille from capacity c
), made as (
	insert into psa.bookings (workspace_id, resource_id, project_id, task_id, during, permille, expires_at, note,
		source_request_id)
	select s.workspace_id, s.resource_id, s.project_id,
		case when $8::text is not null then psa.find_task(s.workspace_id, s.project_id, $8) end, s.days, s.permille,
		now() + interval '14 days', $9::text, $10::bigint
	from share s
	returning *
)
select m.number as booking, r.name as resource, p.code as project, lower(m.during) as "from",
	upper(m.during) - 1 as "to", m.kind, m.permille, s.minutes * m.permille / 1000 as minutes,
	s.peak + m.permille as peak_permille, s.peak + m.permille > 1000 as overlaps_other_proposals,
	m.expires_at, m.version
from made m cross join share s
join psa.resources r on r.workspace_id = m.workspace_id and r.id = m.resource_id
join psa.projects p on p.workspace_id = m.workspace_id and p.id = m.project_id
