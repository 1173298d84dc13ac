/* SPDX-License-Identifier: MIT */
#include "dev.h"
#include "demo_script.h"
#include "demo_sql.h"
#include "loop.h"
#include "migrations.h"

enum { SETUP_MS = 60000, THINKING_TOKENS = 1024 };

/* ---- the database ---- */

static bool make_database(struct arena *a, const struct embedded *x, struct err *e)
{
	const char *url = embedded_url(a, x, "postgres", x->password, "postgres");
	struct pg_rows rows;
	struct pg *db = pg_open(&(struct pg_options){ .url = url, .connect_ms = SETUP_MS }, NEVER_MS, e);
	bool ok = db && pg_script(db, a, "select 1 from pg_database where datname = 'drover'", NEVER_MS, &rows, e);
	if (ok && !rows.n)
		ok = pg_script(db, a, "create database drover", deadline_in(SETUP_MS), NULL, e);
	pg_close(db);
	return ok;
}

/* psql through the printed URL is the demo user: what it inserts belongs to somebody who may see the demo data. */
static const char *login_sql(struct arena *a, const struct embedded *x)
{
	return arena_printf(a, "alter role drover_worker password '%s'; "
		"alter role postgres in database drover set request.jwt.claims = '{\"sub\": \"" DEV_USER "\"}'", x->password);
}

static bool fill_database(struct arena *a, struct dev *d, struct err *e)
{
	struct migrate_report report;
	struct pg *db = pg_open(&(struct pg_options){ .url = d->owner_url, .connect_ms = SETUP_MS }, NEVER_MS, e);
	bool ok = db && migrate(db, migrations_all, NULL, deadline_in(SETUP_MS), &report, e) &&
		pg_script(db, a, seed_demo, deadline_in(SETUP_MS), NULL, e) &&
		pg_script(db, a, login_sql(a, &d->postgres), deadline_in(SETUP_MS), NULL, e);
	pg_close(db);
	return ok;
}

static bool database_start(struct arena *a, const struct dev_options *o, struct dev *d, struct err *e)
{
	struct embedded_options eo = { .dir = o->dir, .fresh = o->fresh };
	if (!embedded_start(a, &eo, &d->postgres, e))
		return false;
	d->owner_url = embedded_url(a, &d->postgres, "postgres", d->postgres.password, "drover");
	d->worker_url = embedded_url(a, &d->postgres, "drover_worker", d->postgres.password, "drover");
	return make_database(a, &d->postgres, e) && fill_database(a, d, e);
}

/* ---- the model ---- */

static bool model_start(struct arena *a, struct dev *d, struct err *e)
{
	struct script *script = arena_alloc(a, sizeof(*script));
	struct config_problems problems = { 0 };
	if (!script_load_text(a, "demo", str_of(script_demo), &problems, script))
		return FAIL(e, ERR_BUG, "bad_script", "the demo's own script: %s", problems.first->text);
	struct mock_options o = { .script = script };
	if (!mock_start(&o, &d->fibers, &d->mock, e))
		return false;
	d->model_url = arena_printf(a, "http://127.0.0.1:%d", mock_port(d->mock));
	return true;
}

/* ---- the worker ---- */

static bool serve(void *pool, struct err *e)
{
	return pool_serve(pool, e);
}

static bool worker_start(const struct dev_options *o, struct dev *d, struct err *e)
{
	d->pool_config = pool_config_of(o->config);
	d->pool_config.database_url = d->worker_url;
	d->pool_config.listen_url = NULL;
	if (d->model_url) {
		d->pool_config.model.base_url = d->model_url;
		d->pool_config.model.api_key = NULL; /* a real key has no business with the scripted model */
		d->pool_config.model.thinking_tokens = THINKING_TOKENS;
	}
	d->pool = pool_new(&d->pool_config);
	if (!group_start(&d->fibers, "pool", serve, d->pool, e))
		return false;
	while (!pool_ready(d->pool) && !d->fibers.failed)
		if (!loop_sleep(5, e))
			return false;
	if (d->fibers.failed)
		*e = d->fibers.error;
	return !d->fibers.failed;
}

/* ---- all of it ---- */

bool dev_start(struct arena *a, const struct dev_options *o, struct dev *d, struct err *e)
{
	return database_start(a, o, d, e) && (o->own_model || model_start(a, d, e)) &&
		(o->no_worker || worker_start(o, d, e));
}

void dev_stop(struct dev *d)
{
	struct err ignored = { 0 };
	bool cancelled = task_cancelled();
	task_cancel_clear(); /* stopping is short, and must come to its end */
	if (d->pool) {
		pool_drain(d->pool);
		pool_drain(d->pool); /* at once: what runs is released, and goes on at the next start */
	}
	while (d->pool && pool_serving(d->pool) && loop_sleep(5, &ignored))
		;
	mock_stop(d->mock);
	group_wait(&d->fibers, NEVER_MS, &ignored);
	pool_free(d->pool);
	embedded_stop(&d->postgres);
	if (cancelled)
		task_cancel(task_self());
}
