/* SPDX-License-Identifier: MIT */
/* RIG_TEST(a_sentence, "replies: ...") { REQUIRE_OK(rig_start(r, e)); ... }: a test around a rig, which is closed whatever
 * the test found, and whose rows must keep every promise. */
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
