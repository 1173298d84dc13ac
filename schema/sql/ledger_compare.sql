-- Whether a migration was applied, and was the same.
-- $1 module, $2 version, $3 text
select checksum = encode(sha256(convert_to($3, 'UTF8')), 'hex') as same, to_char(applied_at, 'YYYY-MM-DD') as applied_at
from drover.migrations where module = $1 and version = $2::integer
