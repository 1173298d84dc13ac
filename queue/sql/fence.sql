-- First statement of a transaction that ends a run: fails with DV001 unless the request is still owned at this version.
-- $1 request id, $2 claimed version
select drover.fence_to_end($1::bigint, $2::integer)
