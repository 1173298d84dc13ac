/* SPDX-License-Identifier: MIT */
#include "pooler.h"
#include "clock.h"
#include "embedded.h"
#include "loop.h"
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

enum { START_MS = 20000, STOP_MS = 10000 };

/* ---- URLs ---- */

static struct str between(const char *text, char from, char to)
{
	const char *start = strrchr(text, from) + 1;
	return (struct str){ start, strcspn(start, (char[]){ to, '\0' }) };
}

int url_port(const char *url)
{
	return (int)strtol(between(url, ':', '/').p, NULL, 10);
}

const char *url_at(struct arena *a, const char *url, const char *host_and_port)
{
	const char *at = strrchr(url, '@');
	return arena_printf(a, "%.*s@%s%s", (int)(at - url), url, host_and_port, strchr(at, '/'));
}

static const char *password_of(struct arena *a, const char *url)
{
	const char *at = strrchr(url, '@'), *colon = strchr(strstr(url, "://") + 3, ':');
	return arena_text(a, (struct str){ colon + 1, (size_t)(at - colon) - 1 });
}

/* ---- its files ---- */

static bool write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool ok = f && fputs(text, f) >= 0;
	return f && fclose(f) == 0 && ok;
}

#define CONFIG \
	"[databases]\n* = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n" \
	"unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = %s/users\npool_mode = transaction\n" \
	"default_pool_size = 5\nlogfile = %s/log\n%s\n"

static bool write_files(struct arena *a, const struct test_db *db, int port, const char *options, struct pooler *p)
{
	const char *users = arena_printf(a, "\"drover_worker\" \"%s\"\n\"postgres\" \"%s\"\n", password_of(a, db->worker_url),
		password_of(a, db->owner_url));
	return write_file(arena_printf(a, "%s/users", p->dir), users) && write_file(arena_printf(a, "%s/ini", p->dir),
		arena_printf(a, CONFIG, url_port(db->owner_url), port, p->dir, p->dir, options));
}

/* ---- its process: not as root, which it refuses ---- */

static const char *find_program(void)
{
	static const char *const places[] = { "/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer" };
	for (size_t i = 0; i < COUNT(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return "pgbouncer";
}

static bool ask_version(struct arena *a, int *version, struct err *e)
{
	struct str text;
	int major = 0, minor = 0;
	const char *argv[] = { find_program(), "--version", NULL };
	if (!process_run(a, &(struct process_options){ .argv = argv }, 4096, deadline_in(START_MS), &text, e))
		return err_prefix(e, "PgBouncer (package pgbouncer): ");
	if (sscanf(arena_text(a, text), "PgBouncer %d.%d", &major, &minor) != 2)
		return FAIL(e, ERR_INPUT, "no_version", "pgbouncer --version says what nobody understands");
	*version = major * 10000 + minor * 100;
	return true;
}

static bool run(struct arena *a, struct pooler *p, struct err *e)
{
	struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
	const char *argv[] = { find_program(), "-q", arena_printf(a, "%s/ini", p->dir), NULL };
	struct process_options o = { .argv = argv, .cwd = "/", .out_fd = -1, .err_fd = -1, .die_with_us = true, .own_group = true };
	if (user) {
		o.uid = (int)user->pw_uid;
		o.gid = (int)user->pw_gid;
		static const char *const files[] = { "", "/users", "/ini" };
		for (size_t i = 0; i < COUNT(files); i++)
			if (chown(arena_printf(a, "%s%s", p->dir, files[i]), user->pw_uid, user->pw_gid) != 0)
				return FAIL(e, ERR_INPUT, "cannot_write", "cannot give %s away", p->dir);
	}
	p->process = process_start(&o, e);
	return p->process;
}

static bool wait_until_up(const struct pooler *p, struct err *e)
{
	struct pg *db = NULL;
	for (int64_t end = clock_ms() + START_MS; !db && clock_ms() < end && process_running(p->process); loop_sleep(20, e))
		db = pg_open(&(struct pg_options){ .url = p->owner_url, .connect_ms = START_MS }, NEVER_MS, e);
	pg_close(db);
	return db;
}

bool pooler_start(struct arena *a, const struct test_db *db, const char *options, struct pooler *p, struct err *e)
{
	char *dir = arena_text(a, STR("/tmp/drover-pooler-XXXXXX"));
	int port = free_port();
	const char *at = arena_printf(a, "127.0.0.1:%d", port);
	*p = (struct pooler){ .dir = dir, .worker_url = url_at(a, db->worker_url, at), .owner_url = url_at(a, db->owner_url, at) };
	if (!ask_version(a, &p->version, e))
		return false;
	if (!mkdtemp(dir) || !write_files(a, db, port, options, p))
		return FAIL(e, ERR_INPUT, "cannot_write", "no directory for PgBouncer under /tmp");
	return run(a, p, e) && wait_until_up(p, e);
}

void pooler_stop(struct pooler *p)
{
	struct err ignored = { 0 };
	int status;
	if (p->process) {
		process_signal(p->process, SIGTERM); /* at once: SIGINT would wait for its clients */
		process_wait(p->process, deadline_in(STOP_MS), &status, &ignored);
		process_free(p->process);
	}
	delete_tree(p->dir);
}
