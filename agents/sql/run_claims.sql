-- Until the end of the transaction, auth.uid() is the requester: row level security decides what a tool may touch. No
-- statement takes longer than the tool may.
-- $1 claims as JSON, or empty, $2 milliseconds
select set_config('request.jwt.claims', $1, true), set_config('statement_timeout', $2, true)
