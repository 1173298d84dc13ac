-- After wait_for_children, in its transaction: the children, and the parent's new phase.
-- $1 id, $2 version, $3 children [{type, request, after: [indexes]}]
select drover.spawn_children($1::bigint, $2::integer, $3::jsonb)
