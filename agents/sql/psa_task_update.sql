-- Changes one task; what is null or 0 stays. Completed means all done; open means nothing, unless progress says so.
-- $1 workspace or null, $2 project code, $3 task name or number, $4 version seen, $5 status, $6 progress_bp,
-- $7 effort_min, $8 start, $9 finish, $10 role
update psa.tasks t set
	version = $4::int,
	status = coalesce($5::text, t.status),
	progress_bp = case coalesce($5, '') when 'completed' then 10000
		when 'open' then $6::int else coalesce(nullif($6, 0), t.progress_bp) end,
	effort_min = coalesce(nullif($7::int, 0), t.effort_min),
	planned_start = coalesce($8::date, t.planned_start),
	planned_finish = coalesce($9::date, t.planned_finish),
	role_id = coalesce(psa.find(psa.here($1::uuid), 'roles', $10::text), t.role_id)
where t.workspace_id = psa.here($1, true)
	and t.id = psa.find_task(psa.here($1), psa.find(psa.here($1), 'projects', $2::text), $3::text)
returning t.number, t.name, t.kind, t.status, t.progress_bp, t.effort_min, t.planned_start, t.planned_finish, t.version
