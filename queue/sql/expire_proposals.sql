-- Expires the proposals that nobody decided in time.
-- $1 how many at most
select x.expired, x.next_ms from drover.expire_proposals($1::integer) x
