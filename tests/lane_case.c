/* SPDX-License-Identifier: MIT */
#include "lane_case.h"
#include "clock.h"

enum { TOKENS = 100 };

const struct lane_rules lane_case_rules = { 3, 200 };
static int let_in;

static void lanes_end(void *lanes)
{
	lanes_free(lanes);
}

struct lanes *lane_case_new(struct arena *a, const struct lane_share *share)
{
	struct lanes *l = lanes_new(&lane_case_rules, share);
	arena_defer(a, lanes_end, l);
	let_in = 0;
	return l;
}

static bool enter(void *arg, struct err *unused __attribute__((unused)))
{
	struct lane_caller *c = arg;
	int64_t began = clock_ms();
	c->task = task_self();
	c->ok = lane_enter(c->lanes, &c->wish, &c->pass, &c->e);
	c->ended = true;
	c->waited_ms = clock_ms() - began;
	if (c->ok)
		c->nth = ++let_in;
	return true;
}

struct lane_caller *lane_caller_new(struct arena *a, struct group *g, struct lanes *l, const struct model_config *config,
	int64_t most_ms)
{
	struct lane_caller *c = arena_alloc(a, sizeof(*c));
	struct err e;
	*c = (struct lane_caller){ .lanes = l, .wish = { .config = config, .tokens = TOKENS, .most_ms = most_ms } };
	CHECK(group_start(g, "caller", enter, c, &e));
	return c;
}

const char *lane_try(struct lanes *l, const struct model_config *config, int64_t most_ms, struct lane_pass *pass,
	struct err *e)
{
	struct lane_wish wish = { .config = config, .tokens = TOKENS, .most_ms = most_ms };
	*e = (struct err){ 0 };
	return lane_enter(l, &wish, pass, e) ? "in" : e->code;
}

int64_t lane_count_in(struct lanes *l, const struct model_config *config, int n, struct err *e)
{
	struct lane_pass pass;
	int64_t in = 0;
	for (int i = 0; i < n; i++)
		in += strcmp(lane_try(l, config, 0, &pass, e), "in") == 0;
	return in;
}

void lane_end_as(struct lanes *l, const struct lane_pass *pass, enum err_kind kind, const char *code, int64_t retry_after_ms)
{
	struct err why = { .kind = kind, .code = code, .retry_after_ms = retry_after_ms, .msg = "what the provider said" };
	lane_leave(l, pass, &(struct lane_end){ .error = kind ? &why : NULL });
}
