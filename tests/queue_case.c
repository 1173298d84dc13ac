/* SPDX-License-Identifier: MIT */
#include "queue_case.h"
#include "clock.h"
#include "loop.h"
#include "queue_sql.h"
#include "state.h"

/* The recorder runs as its owner: whoever moves a request needs no right to it. */
#define RECORDER \
	"create table moves (n serial, id bigint, \"from\" text, \"to\" text);create function record_move() returns " \
		"trigger language plpgsql security definer as $$ begin insert into public.moves (id, \"from\", \"to\") " \
		"values (new.id, case when tg_op = 'INSERT' then '' else old.phase end, new.phase); return null; end " \
		"$$;create trigger record_insert after insert on agent_requests for each row execute function " \
		"record_move();create trigger record_update after update on agent_requests for each row when (old.phase <> " \
		"new.phase) execute function record_move();"

static bool side_open(struct arena *a, struct queue_case *c, struct queue_side *side, const char *id, struct err *e)
{
	side->worker = (struct queue_worker){ .id = id, .host = "box", .pid = 7, .version = "0", .slots = 100,
		.lease_ms = 60000 };
	side->held = arena_alloc(a, HELD_MOST * sizeof(*side->held));
	side->db = test_connect(a, c->db.worker_url, e);
	return side->db && queue_register(side->db, &side->worker, deadline_in(CASE_MS), e);
}

bool queue_case_open(struct arena *a, struct queue_case *c, struct err *e)
{
	return test_db(a, &c->db, e) && (c->owner = test_connect(a, c->db.owner_url, e)) &&
		pg_script(c->owner, a, RECORDER, deadline_in(CASE_MS), NULL, e) &&
		side_open(a, c, &c->one, WORKER_1, e) && side_open(a, c, &c->two, WORKER_2, e);
}

void queue_case_check(struct arena *a, struct queue_case *c)
{
	const char *known = "('?', '?')";
	for (size_t i = 0; i < n_queue_moves; i++)
		known = arena_printf(a, "%s, ('%s', '%s')", known, queue_moves[i].from, queue_moves[i].to);
	CHECK_SQL(c->owner, arena_printf(a, "select string_agg(distinct \"from\" || ' -> ' || \"to\", ', ') from moves "
		"where (\"from\", \"to\") not in (%s)", known), "(null)");
}

int64_t case_ask(struct arena *a, struct pg *db, const char *columns, const char *values)
{
	int64_t id = 0;
	bool has_text = strstr(columns, "request");
	const char *sql = arena_printf(a, "insert into public.agent_requests (type%s%s%s) values ('quotes'%s%s%s) "
		"returning id",
		has_text ? "" : ", request", *columns ? ", " : "", columns, has_text ? "" : ", 'hello'", *values ? ", "
			: "", values);
	str_to_i64(str_of(test_ask(a, db, sql)), &id);
	return id;
}

/* ---- a worker's acts ---- */

const char *case_claim_as(struct arena *a, struct queue_side *side, struct queue_wish wish, struct queue_claim *got)
{
	struct err e = { 0 };
	struct queue_claim claim = { 0 };
	int64_t *none;
	size_t n;
	const char *ids = "";
	wish.worker_id = side->worker.id;
	wish.default_limits = wish.default_limits ? wish.default_limits : "{}";
	if (!queue_exchange(side->db, a, NULL, 0, NULL, &wish, deadline_in(CASE_MS), &none, &n, &claim, &e))
		return arena_text(a, str_of(e.msg));
	for (size_t i = 0; i < claim.n; i++) {
		ids = arena_printf(a, "%s%s%ld", ids, *ids ? "," : "", (long)claim.requests[i].id);
		if (claim.requests[i].id < HELD_MOST)
			side->held[claim.requests[i].id] = claim.requests[i];
	}
	if (got)
		*got = claim;
	return ids;
}

const char *case_claim(struct arena *a, struct queue_side *side, int max)
{
	return case_claim_as(a, side, (struct queue_wish){ .max = max }, NULL);
}

bool case_claim_open(struct arena *a, struct queue_side *side, int max, struct pg_rows *rows, struct err *e)
{
	const char *none = NULL;
	struct pg_rows now; /* wanted, so it is sent at once */
	struct pg_step step = { &sql_claim, PG_ARGS(PG(side->worker.id), PG(max), PG(0), PG(0), PG("{}"), PG(false),
		PG(none)), rows ? rows : &now };
	return pg_begin(side->db, a, &step, 1, deadline_in(CASE_MS), e);
}

static const struct queue_tokens tokens = { 1, 2, 3, 4 };

static const char *outcome(bool ok, const struct err *e)
{
	return ok ? "ok" : e->code;
}

static const char *end(struct arena *a, struct queue_side *side, int64_t id, struct queue_end *how)
{
	struct err e = { 0 };
	how->request = &side->held[id];
	how->tokens = tokens;
	return outcome(queue_finish(side->db, a, how, log_batch_new(a), deadline_in(CASE_MS), &e), &e);
}

const char *case_finish(struct arena *a, struct queue_side *side, int64_t id)
{
	return end(a, side, id, &(struct queue_end){ .completed = true, .phase = "completed",
		.result = "{\"answer\": \"done\"}",
		.agent = "quotes" });
}

bool case_finish_open(struct arena *a, struct queue_side *side, int64_t id, struct err *e)
{
	const char *ids = arena_printf(a, "{%ld}", (long)id);
	const char *versions = arena_printf(a, "{%ld}", (long)side->held[id].version);
	struct pg_rows ended;
	struct pg_step step = { &sql_finish, PG_ARGS(PG(ids), PG(versions), PG("{completed}"), PG("{completed}"),
		PG("{\"{}\"}"), PG("{NULL}"), PG("{NULL}"), PG("{quotes}"), PG("{0}"), PG("{0}"), PG("{0}"),
			PG("{0}")), &ended };
	return pg_begin(side->db, a, &step, 1, deadline_in(CASE_MS), e) && (ended.n == 1 ||
		FAIL(e, ERR_FENCE, "fence_lost", "request %ld was not owned", (long)id));
}

const char *case_fail(struct arena *a, struct queue_side *side, int64_t id)
{
	return end(a, side, id, &(struct queue_end){ .phase = "failed", .error = "it broke", .error_code = "broken",
		.agent = "quotes" });
}

const char *case_stop(struct arena *a, struct queue_side *side, int64_t id)
{
	return end(a, side, id, &(struct queue_end){ .phase = "cancelled", .error = "cancelled", .error_code = "cancelled",
		.agent = "quotes" });
}

const char *case_release(struct arena *a, struct queue_side *side, int64_t id)
{
	struct err e = { 0 };
	return outcome(queue_release(side->db, a, &side->held[id], &tokens, log_batch_new(a), deadline_in(CASE_MS), &e),
		&e);
}

const char *case_retry_later(struct arena *a, struct queue_side *side, int64_t id, int64_t wait_ms)
{
	struct err e = { 0 }, why = { 0 };
	FAIL(&why, ERR_BUSY, "busy", "it was busy");
	bool ok = queue_retry_later(side->db, a, &side->held[id], wait_ms, &why, &tokens, log_batch_new(a),
		deadline_in(CASE_MS), &e);
	return outcome(ok, &e);
}

const char *case_spawn(struct arena *a, struct queue_side *side, int64_t id, const char *children)
{
	struct err e = { 0 };
	return outcome(queue_wait_for_children(side->db, a, &side->held[id], children, "orchestrator", &tokens,
		log_batch_new(a),
		deadline_in(CASE_MS), &e), &e);
}

const char *case_ask_people(struct arena *a, struct queue_side *side, int64_t id, const char *proposals)
{
	struct err e = { 0 };
	return outcome(queue_wait_for_people(side->db, a, &side->held[id], proposals, "quotes", &tokens, log_batch_new(a),
		deadline_in(CASE_MS), &e), &e);
}

const char *case_think(struct arena *a, struct queue_side *side, int64_t id, int first, int last)
{
	struct err e = { 0 };
	struct log_batch *rows = log_batch_new(a);
	int64_t *alive;
	size_t n;
	const char *ids = "";
	log_batch_owner(rows, id, side->held[id].version);
	for (int seq = first; seq <= last; seq++)
		log_batch_row(rows, id, &(struct log_row){ seq, "quotes", "text", arena_printf(a, "thought %d", seq), NULL });
	if (!queue_log_append(side->db, a, rows, deadline_in(CASE_MS), &alive, &n, &e))
		return e.code;
	for (size_t i = 0; i < n; i++)
		ids = arena_printf(a, "%s%s%ld", ids, *ids ? "," : "", (long)alive[i]);
	return ids;
}

const char *case_maintain(struct arena *a, struct queue_side *side)
{
	static const struct queue_rules rules = { 3, 3, "{}" };
	struct err e = { 0 };
	struct queue_news news;
	struct queue_sweep sweep = { 0 };
	if (!queue_maintain(side->db, a, &rules, &sweep, deadline_in(CASE_MS), &news, &e))
		return arena_text(a, str_of(e.msg));
	return arena_printf(a, "moved %ld", (long)news.moved);
}

const char *case_cancel(struct arena *a, struct pg *db, int64_t id)
{
	struct err e = { 0 };
	struct pg_rows rows;
	if (!pg_query(db, a, &sql_cancel, PG_ARGS(PG(id)), deadline_in(CASE_MS), &rows, &e))
		return arena_text(a, str_of(e.msg));
	return rows.n ? pg_text(&rows, 0, "cancelled") : "not there";
}

/* ---- looking ---- */

const char *case_sql(struct arena *a, struct queue_case *c, const char *format, int64_t id)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return test_ask(a, c->owner, arena_printf(a, format, (long)id));
#pragma GCC diagnostic pop
}

const char *case_state(struct arena *a, struct queue_case *c, int64_t id)
{
	return case_sql(a, c, "select status || ' ' || phase from agent_requests where id = %ld", id);
}

int64_t case_returns(struct arena *a, struct queue_case *c)
{
	int64_t n = -1;
	str_to_i64(str_of(test_ask(a, c->owner, "select last_value from drover.returns")), &n);
	return n;
}

void case_expire(struct arena *a, struct queue_case *c, const char *worker)
{
	CHECK_SQL(c->owner, arena_printf(a, "update drover.workers set lease_until = now() - interval '1 second' where "
		"id = '%s' returning pid", worker), "7");
}

bool case_blocked(struct arena *a, struct queue_case *c, int n)
{
	struct err ignored = { 0 };
	const char *want = arena_printf(a, "%d", n);
	for (int64_t until = clock_ms() + CASE_MS; clock_ms() < until; loop_sleep(5, &ignored))
		if (strcmp(test_ask(a, c->owner, "select count(*) from pg_stat_activity where datname = current_database() "
			"and wait_event_type = 'Lock'"), want) == 0)
			return true;
	return false;
}

bool case_run_later(void *arg, struct err *e)
{
	(void)e;
	struct case_later *later = arg;
	ARENA_SCOPE(a);
	snprintf(later->said, sizeof(later->said), "%s", test_ask(a, later->db, later->sql));
	return true;
}
