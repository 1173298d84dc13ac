/* SPDX-License-Identifier: MIT */
#include "status_alarms.h"
#include "command.h"
#include "commands_sql.h"
#include "loop.h"
#include "settings.h"
#include <time.h>

/* Levels are for an operator who reads them: what takes long to mend warns early. */
/* clang-format off */
const struct alarm_rule alarm_rules[] = {
	{ "no_worker", 0, 1, "", "no worker lives", "start one with drover worker", true },
	{ "claims_stopped", 10, 60, "s", "a request is ready, workers have free slots, and nobody claims it",
		"read the workers' log; restart them when it says nothing", false },
	{ "lease_lapsed", 5, 30, "s", "a lease ran out and nobody took its requests over",
		"is any worker alive and able to write? its log says upkeep_failed", true },
	{ "no_owner", 0, 1, "requests", "requests run in the name of a worker that is not there",
		"that is a bug; as owner of the table set their status to queued, phase to ready, and version one higher", true },
	{ "heartbeat_late", 67, 0, "% of its lease", "a worker renews its lease late",
		"look at that host's load and its way to the database, or raise worker.lease", true },
	{ "nobody_listens", 1, 0, "",
		"workers live, but none listens for new requests: each waits for worker.poll",
		"through a pooler in transaction mode set database.listen_url; drover doctor knows more", false },
	{ "notify_queue", 10, 50, "% full", "notifications pile up: a connection listens and does not read",
		"find a session that is idle in transaction after LISTEN, and end it", false },
	{ "held_snapshot", 100000, 1000000, "transactions",
		"an old snapshot keeps dead rows from being removed: claims get slow",
		"end that transaction (pg_terminate_backend), drop that slot, or commit or roll back what is prepared", true },
	{ "slot_wal", 1024, 10240, "MiB", "a replication slot keeps the write-ahead log on disk",
		"let its reader catch up, or drop it with pg_drop_replication_slot", true },
	{ "wraparound", 25, 50, "% of the way to wraparound", "the database is not frozen in time",
		"find what holds snapshots, then vacuum (freeze) the oldest tables", true },
	{ "dead_rows", 200000, 2000000, "rows", "dead rows are not vacuumed",
		"is autovacuum on, and are its workers busy elsewhere? vacuum that table by hand", true },
	{ "ready_index", 256, 0, "MiB", "the index of ready requests is much larger than what it holds",
		"reindex index concurrently agent_requests_ready", false },
	{ "prune_late", 6 * 3600, 3 * 86400, "s", "what is older than retention.* is not pruned",
		"do workers run with that configuration? their log says upkeep_failed", true },
	{ "realtime_messages", 70, 100, "% of the plan",
		"Supabase Realtime nears its limit of messages, and drops what is over it",
		"raise log.flush_interval, or the plan's limit and realtime.messages with it", true },
	{ "realtime_rows", 70, 100, "% of what was measured",
		"Supabase Realtime checks each row for each subscription in one thread",
		"raise log.flush_interval, let browsers subscribe only to what they show, or use Broadcast", true },
	{ "budget", 80, 100, "% used", "what may be spent on models nears its end, or is spent: requests fail with budget_spent",
		"raise it with drover budget set, or let it be", true },
	{ "lane_paused", 1, 0, "of the lanes", "models are left alone for a while: requests that ask them wait, or ask others",
		"the lanes of drover status say why; most come back by themselves", true },
	{ "lane_refused", 0, 1, "of the lanes", "a provider refuses the key, or has reached the account's spend limit",
		"check model.api_key (or the key in models.yaml) and the provider's account", true },
	/* measured here, not by the statement */
	{ "clock_skew", 1000, 30000, "ms", "the database's clock and this host's differ",
		"let both take their time from NTP", false },
};
/* clang-format on */
const size_t n_alarm_rules = COUNT(alarm_rules);

static const char *const level_names[] = { [ALARM_NONE] = "none", [ALARM_WARN] = "warn", [ALARM_WRONG] = "wrong" };

static enum alarm_level level_of(const struct alarm_rule *rule, int64_t measured)
{
	if (rule->wrong_at && measured >= rule->wrong_at)
		return ALARM_WRONG;
	return rule->warn_at && measured >= rule->warn_at ? ALARM_WARN : ALARM_NONE;
}

static const struct alarm_rule *rule_of(const char *name)
{
	for (const struct alarm_rule *r = alarm_rules; r < alarm_rules + n_alarm_rules; r++)
		if (strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

static void judge(struct alarms *out, const char *name, int64_t measured, const char *detail)
{
	const struct alarm_rule *rule = rule_of(name);
	enum alarm_level level = rule ? level_of(rule, measured) : ALARM_NONE;
	if (!level)
		return;
	size_t at = level == ALARM_WRONG ? out->wrong++ : out->n;
	memmove(out->all + at + 1, out->all + at, (out->n++ - at) * sizeof(*out->all));
	out->all[at] = (struct alarm){ rule, level, measured, rule->has_detail ? detail : NULL };
}

/* ---- this host's clock, and a second look ---- */

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * (int64_t)1000 + t.tv_nsec / 1000000;
}

/* What cannot be told from the time of the round trip is no difference. */
static int64_t skew_of(int64_t before, int64_t server, int64_t after)
{
	int64_t off = llabs(server - (before + after) / 2), unsure = (after - before) / 2 + 1;
	return MAX_OF(off - unsure, (int64_t)0);
}

/* detail is "id:version" of the request that stands first. */
static bool look_again(
	struct pg *db, struct arena *a, const char *detail, bool twice, int64_t *skew, bool *still, struct err *e)
{
	enum { BETWEEN_MS = 1000 };
	struct pg_rows rows;
	int64_t id = 0, version = 0;
	struct str rest = str_of(detail), part;
	bool named = twice && str_next(&rest, ':', &part) && str_to_i64(part, &id) && str_to_i64(rest, &version);
	if (named && !loop_sleep(BETWEEN_MS, e))
		return false;
	int64_t before = now_ms();
	if (!pg_query(db, a, &sql_status_clock, PG_ARGS(PG(id), PG(version)), command_deadline(), &rows, e))
		return false;
	*skew = skew_of(before, pg_i64(&rows, 0, "now_ms"), now_ms());
	*still = pg_bool(&rows, 0, "still_ready");
	return true;
}

static bool is_suspect(const struct pg_rows *rows, int i)
{
	return strcmp(pg_text(rows, i, "name"), "claims_stopped") == 0 &&
		level_of(rule_of("claims_stopped"), pg_i64(rows, i, "measured"));
}

/* A request that has just come back is ready for a moment, however old it is: it counts when it is still there. */
static bool judge_all(struct pg *db, struct arena *a, const struct pg_rows *rows, struct alarms *out, struct err *e)
{
	int64_t skew = 0;
	bool still = false;
	int first = 0;
	while (first < rows->n && !is_suspect(rows, first))
		first++;
	const char *detail = first < rows->n ? pg_text(rows, first, "detail") : "";
	if (!look_again(db, a, detail, first < rows->n, &skew, &still, e))
		return false;
	for (int i = 0; i < rows->n; i++)
		if (i != first || still)
			judge(out, pg_text(rows, i, "name"), pg_i64(rows, i, "measured"), pg_text(rows, i, "detail"));
	judge(out, "clock_skew", skew, NULL);
	return true;
}

bool alarms_read(struct pg *db, struct arena *a, const struct config *c, struct alarms *out, struct err *e)
{
	struct pg_rows rows;
	struct pool_config pool = pool_config_of(c);
	const char *default_limits = pool.default_limits;
	bool requests = c->retention.completed_ms || c->retention.failed_ms || c->retention.cancelled_ms;
	struct pg_args args = PG_ARGS(PG(c->database.listen), PG(requests), PG(c->retention.logs_ms > 0),
		PG(c->realtime.watchers), PG(c->realtime.messages), PG(default_limits),
		PG(agent_budgets_json(a, &pool.budgets)));
	if (!pg_query(db, a, &sql_status_alarms, args, command_deadline(), &rows, e))
		return false;
	*out = (struct alarms){ .all = arena_alloc(a, n_alarm_rules * sizeof(*out->all)) };
	return judge_all(db, a, &rows, out, e);
}

/* ---- showing ---- */

cJSON *alarms_json(struct arena *a, const struct alarms *alarms)
{
	cJSON *list = json_array(a);
	for (size_t i = 0; i < alarms->n; i++) {
		const struct alarm *alarm = &alarms->all[i];
		const struct alarm_rule *r = alarm->rule;
		cJSON *one = json_object(a);
		json_put_text(one, "name", r->name);
		json_put_text(one, "level", level_names[alarm->level]);
		json_put_text(one, "what", r->what);
		json_put_text(one, "detail", alarm->detail ? alarm->detail : "");
		json_put_i64(one, "measured", alarm->measured);
		json_put_i64(one, "threshold", alarm->level == ALARM_WRONG ? r->wrong_at : r->warn_at);
		json_put_text(one, "unit", r->unit);
		json_put_text(one, "mend", r->mend);
		json_add_copy(list, one);
	}
	return list;
}

static void print_one(const struct printer *p, struct arena *a, const struct alarm *alarm)
{
	const struct alarm_rule *r = alarm->rule;
	bool wrong = alarm->level == ALARM_WRONG;
	print_styled(p, wrong ? STYLE_RED : STYLE_YELLOW, "%s %s", wrong ? "ALARM" : "warning", r->name);
	fprintf(p->to, "  %s", r->what);
	if (*r->unit)
		fprintf(p->to, ": %s",
			strcmp(r->unit, "s") == 0 ? print_duration(a, alarm->measured * 1000)
									  : arena_printf(a, "%s %s", print_number(a, alarm->measured), r->unit));
	if (alarm->detail && *alarm->detail) {
		fputs(" (", p->to);
		print_brief(p, STYLE_PLAIN, alarm->detail, 0);
		fputc(')', p->to);
	}
	fprintf(p->to, "\n  -> %s\n", r->mend);
}

void alarms_print(const struct printer *p, struct arena *a, const struct alarms *alarms)
{
	for (size_t i = 0; i < alarms->n; i++)
		print_one(p, a, &alarms->all[i]);
	if (alarms->n)
		fputc('\n', p->to);
}
