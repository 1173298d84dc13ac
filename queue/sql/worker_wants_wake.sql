-- Says whether inserts should notify this worker.
-- $1 worker id, $2 yes or no
update drover.workers set wants_wake = $2::boolean where id = $1::uuid and wants_wake <> $2::boolean
