-- Until the end of the transaction, auth.uid() is the requester: row level security decides what a tool may touch. No
-- statement takes longer than the tool may.
-- auth.uid() and auth.role() read the claims of old first, so these are empty.
-- $1 claims as JSON, or empty, $2 milliseconds
select set_config('request.jwt.claims', $1, true), set_config('request.jwt.claim.sub', '', true),
	set_config('request.jwt.claim.role', '', true), set_config('statement_timeout', $2, true)
