-- The supervisor has seen this worker process end: its lease ends now instead of later.
-- $1 worker id
update drover.workers set lease_until = now() where id = $1::uuid and lease_until > now()
