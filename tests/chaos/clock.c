/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a worker: its clocks are ahead or behind by what stands in the file CHAOS_CLOCK (two numbers of
 * nanoseconds: wall clock, monotonic clock), so that the soak can step them while the process runs.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SECOND_NS = 1000000000 };

static const volatile int64_t none[2];
static const volatile int64_t *ahead = none;

__attribute__((constructor)) static void clock_open(void)
{
	const char *path = getenv("CHAOS_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof(none), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		ahead = map;
}

static int64_t offset_of(clockid_t clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return ahead[0];
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_BOOTTIME:
		return ahead[1];
	default:
		return 0;
	}
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int status = (int)syscall(SYS_clock_gettime, clock, out);
	int64_t offset = status == 0 ? offset_of(clock) : 0;
	if (offset) {
		int64_t ns = (int64_t)out->tv_sec * SECOND_NS + out->tv_nsec + offset;
		*out = (struct timespec){ ns / SECOND_NS, ns % SECOND_NS };
	}
	return status;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	int status = clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return status;
}

time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
