-- Notes a migration as applied.
-- $1 module, $2 version, $3 name, $4 text
insert into drover.migrations (module, version, name, checksum)
values ($1, $2::integer, $3, encode(sha256(convert_to($4, 'UTF8')), 'hex'))
