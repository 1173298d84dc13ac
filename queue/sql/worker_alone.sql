-- Waits for a claim of this worker that is still under way, though nobody waits for its answer any more.
-- $1 worker id
select from drover.workers w where w.id = $1::uuid for update
