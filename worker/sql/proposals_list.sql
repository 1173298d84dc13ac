-- What people are asked, in order of asking: the open ones, or the last 200 of all.
-- $1 all
select * from (select p.id, p.request_id, p.session_id, p.user_id, p.workspace_id, p.kind, p.tool_name, p.tool_call_id, p.input, p.content_hash,
		p.preview, p."text", p.not_requester, p.status, p.decided_by, p.decided_at, p.note, p.answer, p.created_at, p.expires_at,
		(extract(epoch from clock_timestamp() - p.created_at) * 1000)::bigint as age_ms,
		(extract(epoch from p.expires_at - clock_timestamp()) * 1000)::bigint as left_ms
	from public.change_proposals p where $1::boolean or p.status = 'open'
	order by p.id desc limit 200) l
order by l.id
