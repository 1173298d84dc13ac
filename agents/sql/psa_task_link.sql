-- Ties tasks of one project: each comes after others (finish-start).
-- $1 workspace or null, $2 project code, $3 JSON array of { task, after: [name or number] }, $4 request
insert into psa.task_dependencies (workspace_id, pred_id, succ_id, source_request_id)
select w.id, psa.find_task(w.id, p.id, a.word), psa.find_task(w.id, p.id, l.task), $4::bigint
from (select psa.here($1::uuid, true) as id) w
cross join lateral (select psa.find(w.id, 'projects', $2::text) as id) p
cross join jsonb_to_recordset($3::jsonb) as l(task text, after jsonb)
cross join lateral jsonb_array_elements_text(l.after) as a(word)
on conflict do nothing
