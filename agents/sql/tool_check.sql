-- After a tool's statement: whether it is still the same role with the same claims.
-- $1 role, $2 claims
select current_user = $1::text and coalesce(current_setting('request.jwt.claims', true), '') = $2::text
	and coalesce(current_setting('request.jwt.claim.sub', true), '') = '' and coalesce(current_setting('request.jwt.claim.role', true), '') = '' as same
