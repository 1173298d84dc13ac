-- One short step of pruning what has ended; nothing when another worker is at it.
-- $1..$4 ages in milliseconds: completed, failed, cancelled, logs (0 = keep), $5 archive, $6 requests at most, $7 rows that go with them at most
select p.requests, p.logs, p.more
from drover.prune($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::boolean, $6::integer, $7::integer) p
