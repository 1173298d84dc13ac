/* SPDX-License-Identifier: MIT */
/* Callers of lanes, for tests. */
#pragma once
#include "lane.h"
#include "loop.h"
#include "test.h"

struct lane_caller {
	struct lanes *lanes;
	struct lane_wish wish;
	struct lane_pass pass;
	struct task *task;
	struct err e;
	bool ended, ok;
	int nth;                   /* in the order of being let in, since lane_case_new */
	int64_t waited_ms;
};

/* Circuits of 3 failures and 200 ms. */
extern const struct lane_rules lane_case_rules;
/* Ends with a. */
struct lanes *lane_case_new(struct arena *a, const struct lane_share *share);
/* Asks for a request and 100 tokens in a fiber of its own. */
struct lane_caller *lane_caller_new(struct arena *a, struct group *g, struct lanes *l, const struct model_config *config,
	int64_t most_ms);
/* waits. The same here: "in", or the code of the refusal. */
const char *lane_try(struct lanes *l, const struct model_config *config, int64_t most_ms, struct lane_pass *pass,
	struct err *e);
/* How many of n are let in without waiting. */
int64_t lane_count_in(struct lanes *l, const struct model_config *config, int n, struct err *e);
/* The call ended like this; kind ERR_NONE = well. */
void lane_end_as(struct lanes *l, const struct lane_pass *pass, enum err_kind kind, const char *code, int64_t retry_after_ms);
