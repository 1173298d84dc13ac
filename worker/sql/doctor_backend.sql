-- The server's process that answers: behind a pooler it may be another one each time.
select pg_backend_pid() as pid
