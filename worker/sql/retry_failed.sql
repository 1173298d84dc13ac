-- One step of a retry by filter: the ids that are ready again.
-- $1 type, $2 error_code, $3 since, $4 workspace (null = any), $5 how many at most, $6 before
select id from drover.retry_failed($1, $2, $3::timestamptz, $4::uuid, $5::integer, $6::timestamptz) as id
