/* SPDX-License-Identifier: MIT */
/* A small cache of names, and one lookup per name at a time. An asker that leaves early leaves the lookup running. */
#include "names.h"
#include "clock.h"
#include "loop_uv.h"
#include <arpa/inet.h>

enum { KEEP_MS = 60000, ENTRIES_MAX = 256, ADDRESSES_MAX = 16, TEXT_MAX = ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3) };

struct waiter {
	struct waiter *next, **link;
	struct task *task;
	struct arena *arena;
	const char *addresses;
	int status;
	bool done;
};

struct lookup;

struct entry {
	struct entry *next;
	char *host;
	struct buf addresses;
	int64_t good_until;
	struct lookup *lookup; /* NULL = not under way */
	struct waiter *waiters;
};

struct lookup {
	uv_getaddrinfo_t request;
	struct names *names;
	struct entry *entry; /* NULL once nobody wants the answer */
};

struct names {
	struct entry *entries;
	size_t n;
};

struct names *names_new(void)
{
	return mem_alloc(sizeof(struct names));
}

static void entry_remove(struct names *n, struct entry **at)
{
	struct entry *e = *at;
	*at = e->next;
	n->n--;
	if (e->lookup) {
		e->lookup->entry = NULL;
		uv_cancel((uv_req_t *)&e->lookup->request);
	}
	buf_done(&e->addresses);
	free(e->host);
	free(e);
}

void names_free(struct names *n)
{
	while (n->entries)
		entry_remove(n, &n->entries);
	free(n);
}

static struct entry **entry_find(struct names *n, const char *host)
{
	struct entry **at = &n->entries;
	while (*at && strcmp((*at)->host, host) != 0)
		at = &(*at)->next;
	return at;
}

static void make_room(struct names *n)
{
	struct entry **at = &n->entries, **last = NULL;
	for (; *at; at = &(*at)->next)
		if (!(*at)->lookup)
			last = at;
	if (n->n >= ENTRIES_MAX && last)
		entry_remove(n, last);
}

static struct entry *entry_get(struct names *n, const char *host)
{
	struct entry *e = *entry_find(n, host);
	if (e)
		return e;
	make_room(n);
	e = mem_alloc(sizeof(*e));
	e->host = mem_alloc(strlen(host) + 1);
	memcpy(e->host, host, strlen(host));
	buf_init(&e->addresses, TEXT_MAX);
	e->next = n->entries;
	n->entries = e;
	n->n++;
	return e;
}

static void address_add(struct buf *b, const struct addrinfo *i)
{
	char text[INET6_ADDRSTRLEN];
	const char *comma = b->n ? "," : "";
	if (uv_ip_name(i->ai_addr, text, sizeof(text)) == 0)
		buf_printf(b, i->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", comma, text);
}

static void waiters_answer(struct entry *e, int status)
{
	for (struct waiter *w = e->waiters, *next; w; w = next) {
		next = w->next;
		*w = (struct waiter){ .task = w->task, .status = status, .done = true,
			.addresses = arena_text(w->arena, buf_str(&e->addresses)) };
		task_wake(w->task);
	}
	e->waiters = NULL;
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct lookup *l = request->data;
	struct entry *e = l->entry;
	if (e) {
		e->lookup = NULL;
		for (struct addrinfo *i = status == 0 ? list : NULL; i && !e->addresses.full; i = i->ai_next)
			address_add(&e->addresses, i);
		e->good_until = clock_ms() + KEEP_MS;
		waiters_answer(e, e->addresses.n ? 0 : status ? status : UV_EAI_NODATA);
		if (!e->addresses.n)
			entry_remove(l->names, entry_find(l->names, e->host));
	}
	uv_freeaddrinfo(list);
	free(l);
}

static int lookup_start(struct names *n, struct entry *e)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct lookup *l = mem_alloc(sizeof(*l));
	*l = (struct lookup){ .names = n, .entry = e };
	l->request.data = l;
	int rc = uv_getaddrinfo(loop_uv(), &l->request, on_answer, e->host, NULL, &hints);
	if (rc == 0)
		e->lookup = l;
	else
		free(l);
	buf_clear(&e->addresses);
	return rc;
}

static bool entry_wait(struct entry *e, struct waiter *w, int64_t deadline, struct err *error)
{
	bool ok = true;
	w->next = e->waiters;
	w->link = &e->waiters;
	if (w->next)
		w->next->link = &w->next;
	e->waiters = w;
	while (ok && !w->done)
		ok = loop_park(deadline, error);
	if (!w->done) {
		*w->link = w->next;
		if (w->next)
			w->next->link = w->link;
	}
	return ok;
}

static bool is_literal(const char *host)
{
	struct in6_addr any;
	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

bool names_find(struct names *n, struct arena *a, const char *host, int64_t deadline, const char **addresses,
	struct err *e)
{
	if (is_literal(host)) {
		*addresses = arena_printf(a, strchr(host, ':') ? "[%s]" : "%s", host);
		return true;
	}
	struct entry *entry = entry_get(n, host);
	struct waiter w = { .task = task_self(), .arena = a };
	if (!entry->lookup && clock_ms() >= entry->good_until)
		w.status = lookup_start(n, entry);
	if (w.status == 0 && !entry->lookup)
		w.addresses = arena_text(a, buf_str(&entry->addresses));
	else if (w.status == 0 && !entry_wait(entry, &w, deadline, e))
		return false;
	if (w.status != 0)
		return FAIL(e, ERR_NET, "name_unknown", "cannot resolve %s: %s", host, uv_strerror(w.status));
	*addresses = w.addresses;
	return true;
}
