/* SPDX-License-Identifier: MIT */
#include "embedded.h"
#include "clock.h"
#include "loop.h"
#include "pg.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { START_MS = 60000, STOP_MS = 30000, PATH_MOST = 2048 };

/* ---- small needs ---- */

int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = bind(fd, (struct sockaddr *)&address, size) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0;
	close(fd);
	return ok ? ntohs(address.sin_port) : 0;
}

static int delete_one(const char *path, const struct stat *s, int type, struct FTW *place)
{
	(void)s, (void)type, (void)place;
	return remove(path);
}

void delete_tree(const char *path)
{
	nftw(path, delete_one, 32, FTW_DEPTH | FTW_PHYS);
}

static const char *password_make(struct arena *a)
{
	unsigned char bytes[16];
	char *text = arena_alloc(a, sizeof(bytes) * 2 + 1);
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort();
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

static const char *file_read(struct arena *a, const char *path)
{
	char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	if (fd >= 0)
		close(fd);
	return n > 0 ? arena_text(a, str_trim((struct str){ text, (size_t)n })) : NULL;
}

static bool file_write(const char *path, const char *text, int uid, int gid, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (ok && uid > 0)
		ok = fchown(fd, (uid_t)uid, (gid_t)gid) == 0;
	if (fd >= 0)
		close(fd);
	return ok || FAIL(e, ERR_INPUT, "cannot_write", "cannot write %s: %s", path, strerror(errno));
}

/* ---- who, where, with what ---- */

struct setup {
	struct arena *a;
	const char *dir, *bin;
	int uid, gid;
	bool fast;
};

/* The newest of the distribution's, else what PATH has. */
static const char *find_bin(struct arena *a)
{
	glob_t found = { 0 };
	const char *bin = "";
	static const char *const patterns[] = { "/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb",
		"/usr/local/pgsql/bin/initdb" };
	for (size_t i = 0; i < COUNT(patterns); i++)
		glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
	if (found.gl_pathc) {
		struct str path = str_of(found.gl_pathv[found.gl_pathc - 1]);
		bin = arena_text(a, (struct str){ path.p, path.n - strlen("initdb") });
	}
	globfree(&found);
	return bin;
}

static bool find_user(struct setup *s, struct err *e)
{
	if (geteuid() != 0)
		return true;
	struct passwd *user = getpwnam("postgres");
	if (!user)
		user = getpwnam("nobody");
	if (!user)
		return FAIL(e, ERR_INPUT, "no_user", "Postgres does not run as root, and there is no user postgres or nobody");
	s->uid = (int)user->pw_uid;
	s->gid = (int)user->pw_gid;
	return true;
}

/* Whether that user gets through to the directory: every parent must let others through. */
static bool reachable(struct arena *a, const char *dir)
{
	char *path = arena_text(a, str_of(dir));
	struct stat s;
	for (char *slash; (slash = strrchr(path, '/')) && slash != path;) {
		*slash = '\0';
		if (stat(path, &s) == 0 && !(s.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

static const char *absolute(struct arena *a, const char *dir)
{
	char here[PATH_MOST];
	if (dir[0] == '/' || !getcwd(here, sizeof(here)))
		return dir;
	return arena_printf(a, "%s/%s", here, dir);
}

/* Below a private home the user postgres cannot get; then the cluster lives under /var/tmp, by a name made of the path. */
static const char *place(struct setup *s, const char *dir)
{
	dir = absolute(s->a, dir);
	if (s->uid == 0 || reachable(s->a, dir))
		return dir;
	uint64_t hash = 14695981039346656037u;
	for (const char *p = dir; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	const char *other = arena_printf(s->a, "/var/tmp/drover-%08x", (unsigned)(hash ^ hash >> 32));
	log_write(LOG_INFO, "embedded_elsewhere", "user postgres cannot reach %s; the database is in %s", dir, other);
	return other;
}

static bool make_dir(struct setup *s, struct err *e)
{
	if (mkdir(s->dir, 0700) != 0 && errno != EEXIST)
		return FAIL(e, ERR_INPUT, "cannot_write", "cannot make %s: %s", s->dir, strerror(errno));
	if (s->uid > 0 && chown(s->dir, (uid_t)s->uid, (gid_t)s->gid) != 0)
		return FAIL(e, ERR_INPUT, "cannot_write", "cannot give %s to user postgres: %s", s->dir, strerror(errno));
	return true;
}

bool embedded_remove(struct arena *a, const char *dir, struct err *e)
{
	struct str ignored;
	const char *argv[] = { "rm", "-rf", "--", dir, NULL };
	return process_run(a, &(struct process_options){ .argv = argv }, 4096, deadline_in(START_MS), &ignored, e);
}

/* ---- making and starting ---- */

static bool run_initdb(struct setup *s, const char *data, const char *secret, struct err *e)
{
	struct str ignored;
	const char *argv[] = { arena_printf(s->a, "%sinitdb", s->bin), "-D", data, "-U", "postgres", "-A", "scram-sha-256",
		"--pwfile", secret, "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions", "--no-sync", NULL };
	struct process_options o = { .argv = argv, .uid = s->uid, .gid = s->gid, .cwd = "/" };
	return process_run(s->a, &o, 65536, deadline_in(START_MS), &ignored, e) ||
		err_prefix(e, "making a private Postgres in %s: ", s->dir);
}

/* Its last name says that it is whole: initdb may be stopped half way. */
static bool make_cluster(struct setup *s, const char **password, struct err *e)
{
	const char *data = arena_printf(s->a, "%s/pg", s->dir), *half = arena_printf(s->a, "%s.half", data);
	const char *secret = arena_printf(s->a, "%s/password", s->dir);
	if ((*password = file_read(s->a, secret)) && access(arena_printf(s->a, "%s/PG_VERSION", data), F_OK) == 0)
		return true;
	delete_tree(data);
	delete_tree(half);
	*password = password_make(s->a);
	if (!file_write(secret, *password, s->uid, s->gid, e))
		return false;
	return run_initdb(s, half, secret, e) && (rename(half, data) == 0 ||
		FAIL(e, ERR_INPUT, "cannot_write", "cannot make %s: %s", data, strerror(errno)));
}

static const char **server_argv(struct setup *s, int port, const char *const *settings)
{
	enum { MOST = 64 };
	const char **argv = arena_alloc(s->a, (MOST + 1) * sizeof(*argv));
	const char *fixed[] = { arena_printf(s->a, "%spostgres", s->bin), "-D", arena_printf(s->a, "%s/pg", s->dir), "-p",
		arena_printf(s->a, "%d", port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "max_connections=200", "-c", "wal_level=logical", "-c", "shared_buffers=128MB",
		"-c", s->fast ? "fsync=off" : "fsync=on", "-c", s->fast ? "full_page_writes=off" : "full_page_writes=on" };
	size_t n = COUNT(fixed);
	memcpy(argv, fixed, sizeof(fixed));
	for (; settings && *settings && n + 2 < MOST; settings++) {
		argv[n++] = "-c";
		argv[n++] = *settings;
	}
	return argv;
}

static bool answers(const struct embedded *x, struct err *e)
{
	ARENA_SCOPE(tmp);
	struct pg_options o = { .url = embedded_url(tmp, x, "postgres", x->password, "postgres"), .connect_ms = 2000 };
	struct pg *db = pg_open(&o, NEVER_MS, e);
	pg_close(db);
	return db;
}

static bool wait_until_up(struct setup *s, struct embedded *x, struct err *e)
{
	int64_t deadline = deadline_in(START_MS);
	while (!answers(x, e)) {
		if (e->kind == ERR_CANCELLED)
			return false;
		if (!process_running(x->server) || clock_ms() > deadline)
			return FAIL(e, ERR_NET, "embedded_failed", "the private Postgres did not start; see %s/postgres.log", s->dir);
		if (!loop_sleep(20, e))
			return false;
	}
	return true;
}

static bool start_server(struct setup *s, const struct embedded_options *o, struct embedded *x, struct err *e)
{
	const char *log = arena_printf(s->a, "%s/postgres.log", s->dir);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return FAIL(e, ERR_INPUT, "cannot_write", "cannot write %s: %s", log, strerror(errno));
	x->port = free_port();
	struct process_options p = { .argv = server_argv(s, x->port, o->settings), .uid = s->uid, .gid = s->gid, .cwd = "/",
		.out_fd = fd, .err_fd = fd, .die_with_us = true, .own_group = true };
	x->server = process_start(&p, e);
	close(fd);
	return x->server;
}

bool embedded_start(struct arena *a, const struct embedded_options *o, struct embedded *out, struct err *e)
{
	struct setup s = { .a = a, .bin = find_bin(a), .fast = o->fast };
	if (!find_user(&s, e))
		return false;
	s.dir = place(&s, o->dir);
	if (o->fresh && !embedded_remove(a, s.dir, e))
		return false;
	*out = (struct embedded){ .dir = s.dir };
	if (make_dir(&s, e) && make_cluster(&s, &out->password, e) && start_server(&s, o, out, e) && wait_until_up(&s, out, e))
		return true;
	struct err first = *e;
	embedded_stop(out);
	*e = first;
	return false;
}

void embedded_stop(struct embedded *x)
{
	struct err ignored = { 0 };
	int status;
	if (!x->server)
		return;
	bool cancelled = task_cancelled();
	task_cancel_clear(); /* the server must be down before we say so */
	process_signal(x->server, SIGINT);
	if (!process_wait(x->server, deadline_in(STOP_MS), &status, &ignored))
		log_write(LOG_WARN, "embedded_killed", "the private Postgres did not stop by itself");
	process_free(x->server);
	x->server = NULL;
	if (cancelled)
		task_cancel(task_self());
}

const char *embedded_url(struct arena *a, const struct embedded *x, const char *user, const char *password,
	const char *database)
{
	return arena_printf(a, "postgresql://%s:%s@127.0.0.1:%d/%s", user, password, x->port, database);
}
