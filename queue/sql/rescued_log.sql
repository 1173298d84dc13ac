-- After rescue, in its transaction: the request's log says what happened, and a failed child lets its parent go on.
-- $1 id, $2 failed, $3 message, $4 error_code
select drover.queue_log($1::bigint, case when $2::boolean then 'error' else 'status' end, $3,
		jsonb_build_object('code', $4::text)),
	case when $2::boolean then drover.free_waiting($1::bigint) end
