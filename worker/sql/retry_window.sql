-- The time from which on requests that failed are retried, and the time before which.
-- $1 how long ago at most, in ms; null = any time
select (now() - make_interval(secs => $1::bigint / 1000.0))::text as since, now()::text as before
