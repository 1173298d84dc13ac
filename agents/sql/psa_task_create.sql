-- New tasks of one project, in the order given.
-- $1 workspace or null, $2 project code, $3 tasks as JSON array of { name, role, effort_min, start, finish },
-- $4 request
with made as (
	insert into psa.tasks (workspace_id, project_id, name, role_id, effort_min, planned_start, planned_finish,
		source_request_id)
	select psa.here($1::uuid, true), psa.find(psa.here($1::uuid), 'projects', $2::text), n.name,
		psa.find(psa.here($1::uuid), 'roles', n.role), n.effort_min, n.start, n.finish, $4::bigint
	from rows from (jsonb_to_recordset($3::jsonb)
		as (name text, role text, effort_min int, start date, finish date)) with ordinality
		as n(name, role, effort_min, start, finish, nth)
	order by n.nth
	returning *
)
select m.number, m.name, r.name as role, m.effort_min, m.planned_start, m.planned_finish, m.version
from made m left join psa.roles r on r.workspace_id = m.workspace_id and r.id = m.role_id
order by m.number
