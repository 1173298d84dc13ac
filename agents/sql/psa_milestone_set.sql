-- Makes a milestone, or moves the one of that name.
-- $1 workspace or null, $2 project code, $3 name, $4 day, $5 version seen or 0 for a new one, $6 request
insert into psa.tasks as t (workspace_id, project_id, name, kind, planned_start, planned_finish, source_request_id)
values (psa.here($1::uuid, true), psa.find(psa.here($1::uuid), 'projects', $2::text), $3::text, 'milestone',
	$4::date, $4::date, $6::bigint)
on conflict (workspace_id, project_id, lower(name)) where status <> 'cancelled' do update set
	version = $5::int, planned_start = excluded.planned_start, planned_finish = excluded.planned_finish
where t.kind = 'milestone'
returning t.number, t.name, t.kind, t.planned_finish as day, t.version
