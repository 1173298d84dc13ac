# SPDX-License-Identifier: MIT
"""Reads the history of a soak from its database."""
from checker import Change, Effect, Execution, History, Log, Permit, Row, Run, Worker, context_of


def number(text):
    return None if text is None else int(text)


def array(text):
    return [int(n) for n in text.strip("{}").split(",") if n]


def change_of(r):
    return Change(int(r[0]), float(r[1]), float(r[2]), None if r[3] is None else float(r[3]), r[4], int(r[5]), r[6],
                  number(r[7]), r[8], r[9], int(r[10]), int(r[11]), r[12])


def row_of(r):
    context = context_of(r[9].replace("\\\\", "\\"))
    return Row(int(r[0]), r[1], number(r[2]), r[3], r[4], r[5], int(r[6]), int(r[7]), r[8], context,
               r[10] == "t", r[11], array(r[12]), r[13])


def exists(postgres, table):
    return postgres.sql(f"select to_regclass('{table}') is not null") == "t"


def read(postgres, acked, limits):
    rows = postgres.rows
    permits = rows("select key, request_id, version from drover.permits") if exists(postgres, "drover.permits") else []
    cancels = rows("select request_id from drover.cancels") if exists(postgres, "drover.cancels") else []
    return History(
        acked=acked, limits=limits,
        rows=[row_of(r) for r in rows("select id, session_id, parent_id, type, status, phase, version, waits_on, worker_id, "
                                      "context, dry_run, idempotency_key, depends_on, user_id from agent_requests")],
        changes=[change_of(r) for r in rows(
            "select tick, extract(epoch from at), extract(epoch from asked_at), "
            "extract(epoch from pg_xact_commit_timestamp(xid)), op, request_id, session_id, parent_id, status, phase, "
            "version, attempt, worker_id from chaos.history")],
        runs=[Run(*map(int, r)) for r in rows("select tick, request_id, version, attempt, pid from chaos.runs")],
        effects=[Effect(int(r[0]), int(r[1]), r[2], int(r[3]), int(r[4]), int(r[5])) for r in rows(
            "select tick, request_id, session_id, call, version, pid from chaos.effects")],
        logs=[Log(int(r[0]), int(r[1]), r[2]) for r in rows("select request_id, seq, kind from agent_logs")],
        executions=[Execution(int(r[0]), *r[1:]) for r in rows(
            "select request_id, tool_call_id, tool_name, status from tool_executions")],
        quotes=[int(r[0]) for r in rows("select source_request_id from psa.quotes where source_request_id is not null")],
        workers=[Worker(r[0], int(r[1]), r[2] == "t") for r in rows(
            "select id, pid, lease_until > now() from drover.workers")],
        cancels=[int(r[0]) for r in cancels],
        permits=[Permit(r[0], int(r[1]), int(r[2])) for r in permits])


def tell(postgres, request):
    """All that is known of one request, for whoever has to find out."""
    return postgres.run(f"""
\\pset format aligned
\\pset tuples_only off
\\echo the request
select id, session_id, type, status, phase, version, attempt, waits_on, worker_id, error_code, context
	from agent_requests where id = {request};
\\echo its history
select h.tick, h.at::time, h.op, h.status, h.phase, h.version, h.attempt, w.pid, h.xid from chaos.history h
	left join (select distinct on (id) id, pid from chaos.workers) w on w.id = h.worker_id
	where request_id = {request} order by tick;
\\echo its runs
select tick, at::time, version, attempt, pid from chaos.runs where request_id = {request} order by tick;
\\echo its effects
select tick, at::time, call, version, pid from chaos.effects where request_id = {request} order by tick;
\\echo its log
select seq, "timestamp"::time as at, attempt, agent_name, kind, left(message, 80) as message from agent_logs
	where request_id = {request} order by seq;
\\echo others of its session
select id, status, phase, version, priority, run_at::time, created_at::time, started_at::time, finished_at::time
	from agent_requests where session_id = (select session_id from agent_requests where id = {request}) order by id limit 30;
""").stdout
