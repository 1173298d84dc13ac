/* SPDX-License-Identifier: MIT */
/*
 * Our side of the throughput: worker processes with an agent that does nothing. Serves until SIGTERM.
 *   bench_noop URL SLOTS BATCH PROCESSES quiet|logged    each process prints lines "us pid count": how many it has run
 */
#include "clock.h"
#include "side.h"
#include <unistd.h>

enum { STEP = 200 };

static bool do_nothing(struct agent_run *run, struct agent_result *result, struct err *e)
{
	static int64_t count;
	(void)run, (void)e;
	*result = (struct agent_result){ .outcome = AGENT_DONE, .json = "{}", .message = "" };
	if (++count % STEP == 0)
		side_say("%ld %d %ld\n", (long)clock_us(), getpid(), (long)count);
	return true;
}

static const struct agent quiet = { .type = "noop", .name = "noop", .text = "", .prompt = "", .quiet = true,
	.run = do_nothing };

/* One log row a job; the pool's own would be two. */
static bool say_and_do_nothing(struct agent_run *run, struct agent_result *result, struct err *e)
{
	thought_add(run->thoughts, THOUGHT_STATUS, "done", NULL);
	return do_nothing(run, result, e);
}

static const struct agent logged = { .type = "noop", .name = "noop", .text = "", .prompt = "", .quiet = true,
	.run = say_and_do_nothing };

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	const struct agent *agent = strcmp(argv[5], "logged") == 0 ? &logged : &quiet;
	struct side side = { argv[1], side_number(argv[2]), side_number(argv[3]), agent };
	return side_fork(side_number(argv[4]), side_serve, &side);
}
