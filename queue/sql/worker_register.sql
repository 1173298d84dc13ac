-- Registers a worker process with its lease; once more when the answer was lost.
-- $1 worker id, $2 host, $3 pid, $4 version, $5 slots, $6 lease in milliseconds
insert into drover.workers (id, host, pid, version, slots, lease_until)
values ($1::uuid, $2, $3::integer, $4, $5::integer, now() + $6::bigint * interval '1 millisecond')
on conflict (id) do update set lease_until = excluded.lease_until
