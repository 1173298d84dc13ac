/* SPDX-License-Identifier: MIT */
/* Descriptors by the thousand: nobody waits behind all of them, each has its turn, and who has left hears nothing. */
#include "swarm.h"
#include "test.h"
#include <sys/eventfd.h>
#include <unistd.h>

enum { MANY = 500 };

struct crowd {
	struct swarm *swarm;
	struct one {
		struct crowd *crowd;
		struct swarm_member *member;
		int fd, told;
	} all[MANY];
	int64_t told;
	bool ends; /* the first that is told makes all leave */
};

static void leave(struct one *o)
{
	swarm_leave(o->member);
	o->member = NULL;
}

static void on_told(void *self, int fd, bool readable, bool writable)
{
	struct one *o = self;
	struct crowd *c = o->crowd;
	CHECK(fd == o->fd && readable && !writable && o->member);
	o->told++;
	c->told++;
	for (int i = 0; c->ends && i < MANY; i++)
		leave(&c->all[i]);
}

static void crowd_end(void *crowd)
{
	struct crowd *c = crowd;
	for (int i = 0; i < MANY; i++) {
		leave(&c->all[i]);
		close(c->all[i].fd);
	}
	swarm_free(c->swarm);
}

/* All are readable, and stay so. */
static struct crowd *crowd_new(struct arena *a)
{
	struct crowd *c = arena_alloc(a, sizeof(*c));
	c->swarm = swarm_new();
	for (int i = 0; i < MANY; i++) {
		struct one *o = &c->all[i];
		*o = (struct one){ .crowd = c, .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK) };
		o->member = swarm_join(c->swarm, o->fd, on_told, o);
		CHECK(swarm_want(o->member, true, false));
	}
	arena_defer(a, crowd_end, c);
	return c;
}

LOOP_TEST(another_descriptor_is_served_between_two_turns_of_a_crowd)
{
	struct crowd *c = crowd_new(a);
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	for (int i = 0; i < 10; i++) {
		int64_t before = c->told;
		CHECK(loop_wait_fd(fd, true, false, deadline_in(10000), e));
		CHECK(c->told - before <= (int64_t)2 * SWARM_TURN);
	}
	CHECK(c->told > 0);
	close(fd);
}

LOOP_TEST(a_timer_is_served_between_two_turns_of_a_crowd)
{
	struct crowd *c = crowd_new(a);
	CHECK(loop_sleep(1, e));
	int64_t before = c->told;
	CHECK(!loop_park(deadline_in(1) - 1, e)); /* due now */
	CHECK_EQ_I(e->kind, ERR_TIMEOUT);
	CHECK(c->told - before <= (int64_t)2 * SWARM_TURN);
}

LOOP_TEST(each_of_a_crowd_has_its_turn_before_anyone_has_a_second)
{
	struct crowd *c = crowd_new(a);
	while (c->told < MANY)
		CHECK(loop_sleep(0, e) || task_cancelled());
	for (int i = 0; i < MANY; i++)
		CHECK(c->all[i].told >= 1);
}

LOOP_TEST(who_has_left_hears_nothing_not_even_in_the_same_turn)
{
	struct crowd *c = crowd_new(a);
	c->ends = true;
	CHECK(loop_sleep(5, e));
	CHECK_EQ_I(c->told, 1);
}

LOOP_TEST(who_wants_nothing_hears_nothing_until_it_wants_again)
{
	struct crowd *c = crowd_new(a);
	for (int i = 0; i < MANY; i++)
		CHECK(swarm_want(c->all[i].member, false, false));
	CHECK(loop_sleep(2, e));
	CHECK_EQ_I(c->told, 0);
	CHECK(swarm_want(c->all[3].member, true, false));
	CHECK(loop_sleep(2, e));
	CHECK(c->all[3].told > 0);
	CHECK_EQ_I(c->told, c->all[3].told);
}
