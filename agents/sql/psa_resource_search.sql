-- Who can be had: people by role and skill with their capacity and what is free of it.
-- $1 workspace or null, $2 from, $3 to (included), $4 role or null, $5 skill or null, $6 least level,
-- $7 least free minutes
with w as (
	select psa.here($1::uuid) as id, psa.days($2::date, $3::date) as days
)
select r.name, ro.name as role, l.capacity_min, l.hard_min, l.soft_min, l.free_min, l.free_permille,
	(select coalesce(jsonb_object_agg(s.name, rs.level order by s.name), '{}')
		from psa.resource_skills rs join psa.skills s on s.workspace_id = rs.workspace_id and s.id = rs.skill_id
		where rs.workspace_id = w.id and rs.resource_id = r.id) as skills
from w
join psa.resources r on r.workspace_id = w.id
join psa.roles ro on ro.workspace_id = w.id and ro.id = r.role_id
join psa.resource_load(w.id, w.days) l on l.resource_id = r.id
where l.free_min >= $7::bigint and l.capacity_min > 0
	and ($4::text is null or r.role_id = psa.find(w.id, 'roles', $4))
	and ($5::text is null or exists (select from psa.resource_skills rs where rs.workspace_id = w.id
		and rs.resource_id = r.id and rs.skill_id = psa.find(w.id, 'skills', $5) and rs.level >= $6::int))
order by l.free_min desc, r.name
limit 50
