/* SPDX-License-Identifier: MIT */
/* Inside queue only: arguments of statements that several of its files send. */
#pragma once
#include "queue.h"

struct pg_args rows_args(struct arena *a, struct log_batch *b);                      /* of log_append */
struct pg_args end_args(struct arena *a, const struct queue_end *ends, size_t n);    /* of finish */
