-- Whether Realtime's broadcast is there, for log.delivery: broadcast.
select drover.can_broadcast() as can
