/* SPDX-License-Identifier: MIT */
/* Waiting for a signal. Once waited for, a signal is ours until the loop closes, and counts also when nobody waits. */
#include "loop_uv.h"

enum { SIGNALS = 65 };

static struct {
	uv_signal_t *handles[SIGNALS];
	bool came[SIGNALS];
	struct task *waiter;
} signals;

static void on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	signals.came[number] = true;
	task_wake(signals.waiter);
}

static void signal_watch(int number)
{
	if (signals.handles[number])
		return;
	signals.handles[number] = mem_alloc(sizeof(uv_signal_t));
	uv_signal_init(loop_uv(), signals.handles[number]);
	uv_signal_start(signals.handles[number], on_signal, number);
}

static bool signal_take(const int *numbers, size_t n, int *number)
{
	for (size_t i = 0; i < n; i++) {
		if (signals.came[numbers[i]]) {
			signals.came[numbers[i]] = false;
			*number = numbers[i];
			return true;
		}
	}
	return false;
}

bool loop_wait_signal(const int *numbers, size_t n, int *number, struct err *e)
{
	bool ok = true;
	for (size_t i = 0; i < n; i++)
		signal_watch(numbers[i]);
	signals.waiter = task_self();
	while (ok && !signal_take(numbers, n, number))
		ok = loop_park(NEVER_MS, e);
	signals.waiter = NULL;
	return ok;
}

static void signal_closed(uv_handle_t *handle)
{
	free(handle);
}

void signals_close(void)
{
	for (size_t i = 0; i < SIGNALS; i++)
		if (signals.handles[i])
			uv_close((uv_handle_t *)signals.handles[i], signal_closed);
	memset(&signals, 0, sizeof(signals));
}
