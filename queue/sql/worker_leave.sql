-- A worker that has released everything says goodbye.
-- $1 worker id
delete from drover.workers where id = $1::uuid
