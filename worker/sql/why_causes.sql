-- All causes for which a request does not run, the one that decides as the first.
-- $1 id, $2 default limits
select c.c as cause from drover.why($1::bigint, $2::jsonb) with ordinality as c (c, nth) order by c.nth
