/* SPDX-License-Identifier: MIT */
/* The life of a request, declared once: the states that the table's constraint allows, and every move between them. */
#pragma once
#include "base.h"

struct queue_state {
	const char *status, *phase;
	const char *text; /* for people */
};
extern const struct queue_state queue_states[];
extern const size_t n_queue_states;

struct queue_move {
	const char *from, *to; /* phases; "" = inserted */
	const char *by;        /* the query or function that makes it */
	const char *why;
};
extern const struct queue_move queue_moves[];
extern const size_t n_queue_moves;
