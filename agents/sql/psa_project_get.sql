-- One project: header, totals, effort by role, and what starts before its predecessor has ended.
-- $1 workspace or null, $2 project code
with p as (
	select * from psa.projects
	where workspace_id = psa.here($1::uuid) and id = psa.find(psa.here($1::uuid), 'projects', $2::text)
), t as (
	select t.*, r.name as role from psa.tasks t join p on p.workspace_id = t.workspace_id and p.id = t.project_id
	left join psa.roles r on r.workspace_id = t.workspace_id and r.id = t.role_id
	where t.status <> 'cancelled'
)
select p.code, p.name, c.name as customer, p.status, p.planned_start, p.planned_finish,
	psa.money(p.budget_minor, p.currency) as budget, p.budget_min, p.version,
	(select count(*) from t where t.kind = 'task') as tasks,
	(select count(*) from t where t.kind = 'milestone') as milestones,
	(select coalesce(sum(t.effort_min), 0) from t) as effort_min,
	(select psa.round_ratio(sum(t.effort_min::numeric * t.progress_bp), nullif(sum(t.effort_min), 0))
		from t) as progress_bp,
	(select coalesce(jsonb_agg(jsonb_build_object('role', e.role, 'effort_min', e.effort_min,
			'from', e.first_day, 'to', e.last_day) order by e.role), '[]')
		from (select t.role, sum(t.effort_min) as effort_min, min(t.planned_start) as first_day,
			max(t.planned_finish) as last_day
			from t where t.kind = 'task' group by t.role) e) as effort_by_role,
	(select coalesce(jsonb_agg(jsonb_build_object('task', s.number, 'starts', s.planned_start, 'after', t.number,
			'ends', t.planned_finish) order by s.number, t.number), '[]')
		from t join psa.task_dependencies d on d.workspace_id = t.workspace_id and d.pred_id = t.id and d.type = 'FS'
		join t s on s.id = d.succ_id and s.planned_start < t.planned_finish) as starts_too_early
from p
join psa.customers c on c.workspace_id = p.workspace_id and c.id = p.customer_id
