-- After finish, in its transaction: siblings and parent of a child wait for one less.
-- $1 id
select drover.free_waiting($1::bigint)
