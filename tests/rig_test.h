/* SPDX-License-Identifier: MIT */
/* RIG_TEST(a_sentence, "replies: ...") { REQUIRE_OK(rig_start(r, e)); ... }: a test around a rig, which is closed
 * whatever the test found, and whose rows must keep every promise. */
#pragma once
#include "promises.h"
#include "rig.h"

#define RIG_TEST(id, script) \
	static void id##_in(struct arena *a, struct rig *r, struct err *e); \
	LOOP_TEST(id) \
	{ \
		struct rig r = { 0 }; \
		REQUIRE_OK(rig_open(a, script, &r, e)); \
		id##_in(a, &r, e); \
		CHECK_PROMISES(r.owner); \
		rig_close(&r); \
	} \
	static void id##_in(struct arena *a, struct rig *r, struct err *e)

/* "completed 1", "failed CODE 3": and in how many attempts. waits. */
static inline const char *rig_fate(struct arena *a, struct rig *r, int64_t id)
{
	rig_wait(a, r, id);
	return rig_sql(a, r, "select concat_ws(' ', status, error_code, attempt) from agent_requests where id = %ld", id);
}
#define CHECK_FATE(id, want) CHECK_EQ_S(rig_fate(a, r, (id)), want)
