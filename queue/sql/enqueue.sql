-- Inserts a request, as the app does.
-- $1 session (null = a new one), $2 user (null = who is logged in, if anybody), $3 type, $4 request, $5 context, $6 priority, $7 dry run
insert into public.agent_requests (session_id, user_id, type, request, context, priority, dry_run)
values (coalesce($1::uuid, gen_random_uuid()), coalesce($2::uuid, drover.caller()), $3, $4, $5::jsonb, $6::smallint, $7::boolean)
returning id, session_id
