-- Tells readers of committed log rows through Realtime: one message a session. Gives the number of messages.
-- $1 request ids, $2 first seq of each, $3 last seq of each
select drover.broadcast($1::bigint[], $2::integer[], $3::integer[]) as sent
