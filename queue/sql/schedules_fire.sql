-- Fires the schedules that are due.
-- $1 how many at most, about
select f.fired, f.next_ms from drover.fire_schedules($1::integer) f
