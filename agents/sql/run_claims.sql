-- Until the end of the transaction, auth.uid() is the requester: row level security decides what a tool may touch.
-- $1 claims as JSON, or empty
select set_config('request.jwt.claims', $1, true)
