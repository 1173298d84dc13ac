-- Ranks people for a piece of work by fixed points: who fits first, then who does not and why.
-- $1 workspace or null, $2 role, $3 from, $4 to (included), $5 minutes needed, $6 skills as JSON array of
-- { skill, min_level }, $7 project code or null
with w as (
	select psa.here($1::uuid) as id, psa.days($3::date, $4::date) as days
), wanted as (
	select psa.find(w.id, 'skills', s.skill) as id, s.skill as name, s.min_level
	from w cross join jsonb_to_recordset($6::jsonb) as s(skill text, min_level int)
), people as (
	select w.id as workspace_id, r.id, r.name, l.capacity_min, l.free_min, k.missing, k.surplus,
		exists (select from psa.bookings b where b.workspace_id = w.id and b.resource_id = r.id
			and b.status <> 'released' and b.project_id = psa.find(w.id, 'projects', $7::text)) as knows_project
	from w
	join psa.resources r on r.workspace_id = w.id and r.role_id = psa.find(w.id, 'roles', $2::text)
	join psa.resource_load(w.id, w.days) l on l.resource_id = r.id
	cross join lateral (
		select string_agg(format('%s %s of %s', n.name, coalesce(h.level, 0), n.min_level), ', ' order by n.name)
				filter (where coalesce(h.level, 0) < n.min_level) as missing,
			avg(greatest(coalesce(h.level, 0) - n.min_level, 0)::numeric / greatest(100 - n.min_level, 1)) as surplus
		from wanted n left join psa.resource_skills h
			on h.workspace_id = w.id and h.resource_id = r.id and h.skill_id = n.id) k
), scored as (
	select p.*, round(400 * coalesce(p.surplus, 0))::int as skill_points,
		coalesce(round(400 * p.free_min::numeric / nullif(p.capacity_min, 0)), 0)::int as free_points,
		case when p.knows_project then 200 else 0 end as project_points,
		p.missing is null and p.free_min >= $5::bigint as fits
	from people p
)
select s.name as resource, s.fits, s.skill_points + s.free_points + s.project_points as score,
	s.skill_points, s.free_points, s.project_points, s.free_min, s.capacity_min,
	concat_ws('; ', 'lacks ' || s.missing, case when s.free_min < $5
		then format('only %s of %s minutes free', s.free_min, $5) end) as why_not
from scored s
order by s.fits desc, score desc, s.name
limit 20
