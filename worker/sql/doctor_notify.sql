-- Sends doctor's own notification, to see whether it arrives.
-- $1 payload
select pg_notify('drover_doctor', $1)
