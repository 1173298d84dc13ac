-- First statement of every write for a request: fails with DV001 unless it is still owned at this version.
-- $1 request id, $2 claimed version
select drover.fence($1::bigint, $2::integer)
