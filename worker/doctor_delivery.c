/* SPDX-License-Identifier: MIT */
/* Doctor on what tells readers of the log: Realtime's broadcast or Redis, when the configuration asks for them. */
#include "broadcast.h"
#include "doctor.h"
#include "loop.h"
#include "redis.h"

static void check_broadcast(struct doctor *d)
{
	struct err e = { 0 };
	if (!d->db)
		return; /* said already */
	if (!d->migrated)
		doctor_say(d, DOCTOR_WARN, "delivery", "run drover migrate, then doctor again",
			"not checked without migrations");
	else if (queue_broadcast_check(d->db, command_deadline(), &e))
		doctor_say(d, DOCTOR_OK, "delivery", NULL, "broadcast: realtime.send is there");
	else
		doctor_say(d, DOCTOR_WRONG, "delivery", "workers refuse to start like this", "%s", e.msg);
}

static void check_redis(struct doctor *d)
{
	struct err e = { 0 };
	if (!*d->config->redis.url) {
		doctor_say(d, DOCTOR_WRONG, "delivery", "set redis.url, or log.delivery: postgres_changes",
			"log.delivery is redis, but no Redis is named");
		return;
	}
	struct redis *r = redis_open(d->config->redis.url, deadline_in(d->config->redis.timeout_ms), &e);
	doctor_say(d, r ? DOCTOR_OK : DOCTOR_WARN, "delivery",
		r ? NULL : "readers see gaps in seq until it is back, and read the table", "redis: %s",
		r ? "it answers" : e.msg);
	redis_close(r);
}

void doctor_check_delivery(struct doctor *d)
{
	if (d->config->log.delivery == DELIVER_BROADCAST)
		check_broadcast(d);
	else if (d->config->log.delivery == DELIVER_REDIS)
		check_redis(d);
	else
		doctor_say(d, DOCTOR_OK, "delivery", NULL, "postgres_changes: Realtime reads the table");
}
