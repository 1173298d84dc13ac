-- After a request was given back or put aside, in that transaction: its permits go back; one that was told to stop ends.
-- $1 id
select drover.after_run($1::bigint)
