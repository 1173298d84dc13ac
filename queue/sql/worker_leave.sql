-- A worker says goodbye, after give_back in the same transaction: nothing is left in its name.
-- $1 worker id
delete from drover.workers where id = $1::uuid
