-- A worker says goodbye. Waits for a claim of it that is still under way; give_back follows in the same transaction.
-- $1 worker id
delete from drover.workers where id = $1::uuid
