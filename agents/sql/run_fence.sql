-- First statement of every write of an agent's run: fails with DV001 unless the request is still owned at this version.
-- $1 request id, $2 claimed version
select drover.fence($1::bigint, $2::integer)
