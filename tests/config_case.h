/* SPDX-License-Identifier: MIT */
/* Loads a text as config and gives all problems as one text; for the tests of options. */
#pragma once
#include "config.h"
#include "test.h"

/* What a secret of these tests begins with: no output may show it. */
#define SECRET_WORD "sEcReT"
#define SECRET SECRET_WORD "-0123456789-abcdefghijklmnopqrstuvwxyz"
#define CHECK_FOR(what, condition) test_check((condition), __FILE__, __LINE__, (what))
#define ENV(...) ((char *[]){ __VA_ARGS__, NULL })

/* All problems, a line each; "" = it loaded. */
static inline const char *lines_of(struct arena *a, const struct config_problems *problems)
{
	struct buf *b = buf_new(a, 8 << 20);
	size_t n = 0;
	for (const struct config_problem *p = problems->first; p; p = p->next, n++)
		buf_printf(b, "%s%s", n ? "\n" : "", p->text);
	CHECK_EQ_I((int64_t)n, (int64_t)problems->n);
	return buf_str(b).p;
}

static inline const char *load_str(struct arena *a, struct str yaml, char *const *environment, struct config *c)
{
	struct config_problems problems;
	bool ok = config_load_text(a, "t.yaml", yaml, environment, c, &problems);
	CHECK(ok == (problems.n == 0));
	return lines_of(a, &problems);
}

static inline const char *load(struct arena *a, const char *yaml, char *const *environment, struct config *c)
{
	return load_str(a, str_of(yaml), environment, c);
}
