-- Bookings that count now and touch the days, of one project or resource or of all.
-- $1 workspace or null, $2 from, $3 to (included), $4 project code or null, $5 resource or null
select b.number as booking, r.name as resource, p.code as project, t.name as task, b.kind, b.permille,
	lower(b.during) as "from", upper(b.during) - 1 as "to",
	psa.work_minutes(b.workspace_id, b.resource_id, b.during) * b.permille / 1000 as minutes, b.expires_at, b.version
from psa.live_bookings b
join psa.resources r on r.workspace_id = b.workspace_id and r.id = b.resource_id
join psa.projects p on p.workspace_id = b.workspace_id and p.id = b.project_id
left join psa.tasks t on t.workspace_id = b.workspace_id and t.id = b.task_id
where b.workspace_id = psa.here($1::uuid) and b.during && psa.days($2::date, $3::date)
	and ($4::text is null or b.project_id = psa.find(psa.here($1), 'projects', $4))
	and ($5::text is null or b.resource_id = psa.find(psa.here($1), 'resources', $5))
order by lower(b.during), r.name, b.number
limit 100
