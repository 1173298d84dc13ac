-- Tasks of one project, in order of number, with what they wait for.
-- $1 workspace or null, $2 project code, $3 filter or null: unfinished, late, blocked, milestones
select t.number, t.name, t.kind, t.status, r.name as role, t.effort_min, t.planned_start, t.planned_finish,
	t.actual_finish, t.progress_bp, t.version,
	(select coalesce(jsonb_agg(b.number order by b.number), '[]')
		from psa.task_dependencies d join psa.tasks b on b.workspace_id = d.workspace_id and b.id = d.pred_id
		where d.workspace_id = t.workspace_id and d.succ_id = t.id) as after
from psa.tasks t
left join psa.roles r on r.workspace_id = t.workspace_id and r.id = t.role_id
where t.workspace_id = psa.here($1::uuid)
	and t.project_id = psa.find(psa.here($1::uuid), 'projects', $2::text)
	and case $3::text
		when 'unfinished' then t.status not in ('completed', 'cancelled')
		when 'late' then t.status not in ('completed', 'cancelled') and t.planned_finish < psa.today(t.workspace_id)
		when 'blocked' then t.status = 'blocked'
		when 'milestones' then t.kind = 'milestone'
		else true end
order by t.number
