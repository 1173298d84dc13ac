/* SPDX-License-Identifier: MIT */
/* The other end of span.h: for whoever sends the spans. */
#pragma once
#include "span.h"
#include "str.h"

struct task;

struct tracer {
	int percent;         /* of the traces */
	uint64_t next;       /* seed of the next span's id */
	struct buf ready;    /* spans that have ended, as OTLP writes them, with commas between */
	size_t n;            /* of them */
	int64_t sent, dropped; /* so far */
	struct task *sender; /* woken when there is a first one and when there are many; or NULL */
};

struct tracer *tracer_new(int percent);
void tracer_free(struct tracer *t); /* NULL allowed */
/* Moves what is ready to *out, which the caller has not initialised and ends with buf_done. Their number. */
size_t tracer_take(struct tracer *t, struct buf *out);
