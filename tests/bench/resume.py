# SPDX-License-Identifier: MIT
"""What a rescued request costs before it goes on: its conversation is read and sent again."""
import time

from cluster import Cluster
from common import BUILD, Process, build, median, note, spread, table, wait_for
from start import start_worker

TURNS = 20
RESULT_CHARACTERS = 4500  # of each tool result; the text beside it is a tenth
SCRIPT = "replies:\n  - reply: Done.\n"
# As a worker whose process died at the model's turn 21 leaves it: the request is ready again, its blocks are kept.
RESCUED = """with r as (
  insert into agent_requests (type, request, attempt, crashes, version)
  values ('project_management', 'go on', 1, 1, 1) returning id, session_id),
s as (insert into agent_sessions (id) select session_id from r returning id),
blocks as (
  select n, k, 'toolu_' || lpad(n::text, 24, '0') as call,
    repeat(md5(n::text) || ' ', {characters} / 33) as text
  from generate_series(1, {turns}) n, generate_series(0, 2) k)
insert into agent_turns (request_id, session_id, attempt, sequence_number, role, content_type, content, tool_name,
  tool_call_id, tool_input, tool_output, block, stop_reason, tokens_used)
select r.id, s.id, 1, (b.n - 1) * 3 + b.k + 1, case b.k when 2 then 'tool' else 'assistant' end,
  (array['text', 'tool_call', 'tool_result'])[b.k + 1],
  case b.k when 0 then left(b.text, {characters} / 10) end,
  case when b.k > 0 then 'project_get' end, case when b.k > 0 then b.call end,
  case b.k when 1 then jsonb_build_object('project', 'P' || b.n) end,
  case b.k when 2 then jsonb_build_object('name', b.text) end,
  case b.k
    when 0 then json_build_object('type', 'text', 'text', left(b.text, {characters} / 10))
    when 1 then json_build_object('type', 'tool_use', 'id', b.call, 'name', 'project_get',
      'input', json_build_object('project', 'P' || b.n))
    else json_build_object('type', 'tool_result', 'tool_use_id', b.call, 'content',
      json_build_object('name', b.text)::text) end,
  case b.k when 1 then 'tool_use' end, case b.k when 1 then 1000 end
from r, s, blocks b returning request_id"""
CLAIMED = ("select (extract(epoch from started_at) * 1000000)::bigint from agent_requests where id = {} "
           "and status = 'completed'")


def resume_ms(cluster, model, statement):
    """From the claim, by the database's clock, to the model's request, by the model's: one clock of one machine."""
    lines = len(model.lines)
    request = cluster.sql(statement).split("\n")[0]
    _, us, size, *_ = model.line(lines, "the model's request").split()
    claimed = wait_for(lambda: cluster.sql(CLAIMED.format(request)), "the request to end", 30, 0.01)
    return (int(us) - int(claimed)) / 1000, int(size)


def run(options):
    """A request rescued at turn 20 of a conversation of 100 kB: from its claim to its next request at the model."""
    rescues = options.scaled(100, 10)
    build("drover")
    cluster = Cluster()
    script = cluster.folder / "resume.yaml"
    script.write_text(SCRIPT)
    model = Process(BUILD / "drover", "mock-model", "--port", "0", "--trace", "--script", script)
    url = model.line(0, "model").split("=", 1)[1]
    worker = start_worker(cluster, url, 10, DROVER_LIMITS_TURNS=str(2 * TURNS), DROVER_LIMITS_TOOL_CALLS="1000")
    wait_for(lambda: cluster.sql("select pid from drover.workers"), "worker")
    long = RESCUED.format(turns=TURNS, characters=RESULT_CHARACTERS)
    short = RESCUED.format(turns=1, characters=RESULT_CHARACTERS // 100)
    for statement in (long, short):
        resume_ms(cluster, model, statement)
    time.sleep(1)
    values = {"long": [], "short": []}
    for _ in range(rescues):
        for name, statement in (("long", long), ("short", short)):
            values[name].append(resume_ms(cluster, model, statement))
    worker.stop()
    note(f"{rescues} rescues of each")
    took = {name: [ms for ms, _ in pairs] for name, pairs in values.items()}
    sent = {name: median([size for _, size in pairs]) for name, pairs in values.items()}
    table([("claim to the model's request, ms", "median [min..max]"),
           (f"{TURNS} turns, {sent['long']:,} bytes sent", spread(took["long"], 2)),
           (f"1 turn, {sent['short']:,} bytes sent", spread(took["short"], 2))])
    return {"resume_ms": median(took["long"], 2), "resume_p90_ms": round(sorted(took["long"])[rescues * 9 // 10], 2),
            "resume_short_ms": median(took["short"], 2), "turns": TURNS, "sent_bytes": sent["long"], "rescues": rescues}
