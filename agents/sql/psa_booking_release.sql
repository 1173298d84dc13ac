-- Gives a soft booking up.
-- $1 workspace or null, $2 booking number, $3 version seen
update psa.bookings b set version = $3::int, status = 'released'
where b.workspace_id = psa.here($1::uuid, true) and b.number = $2::bigint and b.kind = 'soft' and b.status = 'proposed'
returning b.number as booking, b.status, lower(b.during) as "from", upper(b.during) - 1 as "to", b.permille, b.version
