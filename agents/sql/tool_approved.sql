-- Fails unless exactly this call was approved; in the transaction that runs it.
-- $1 request id, $2 call id, $3 tool, $4 input
select drover.check_approval($1::bigint, $2, $3, $4::jsonb)
