/* SPDX-License-Identifier: MIT */
/*
 * Follows the log of a request, or of a session, with all children, from its first row on. Polls by (request_id, seq),
 * which has no gaps, so that nothing is shown twice or left out, whatever commits when. For tail and enqueue --wait.
 */
#pragma once
#include "follow_print.h"
#include "pg.h"

struct follow {
	struct pg *db;
	struct printer out;
	int64_t request_id;     /* 0 = the session */
	const char *session_id;
	bool json;              /* a row a line, as it is in the table */
	bool once;              /* what is there now, and no more */
	bool found;             /* out: there was such a request */
};

/* waits until the request, or every request of the session, and all children have ended. */
bool follow_run(struct follow *f, struct err *e);
