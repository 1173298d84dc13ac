/* SPDX-License-Identifier: MIT */
/*
 * A lane is one key of one provider, as this process sees it: how much it takes a minute, whether it is to be left
 * alone, and who waits for it, first come first served. What all workers know together comes through a lane_share and
 * lanes_told; without it a process goes on with its own share of the limit. Memory and fibers only.
 */
#pragma once
#include "model.h"

struct lanes;
struct lane;

/* Why a lane is left alone. */
enum lane_reason {
	LANE_FREE,
	LANE_RATE_LIMITED, /* a 429: for as long as it says, else for a second */
	LANE_CIRCUIT_OPEN, /* circuit_failures in a row that speak against the provider */
	LANE_SPEND_LIMIT,  /* for a minute; then one more call may find out */
	LANE_AUTH,         /* circuit_failures refusals in a row of key or account */
	LANE_REASONS,
};

const char *lane_reason_name(enum lane_reason reason); /* as in drover.lanes.reason; LANE_FREE is "" */
enum lane_reason lane_reason_of(const char *name);     /* LANE_FREE for NULL and words that are none */

struct lane_rules {
	int64_t circuit_failures; /* 0 = never */
	int64_t circuit_pause_ms;
};

enum { LANE_WHY_BYTES = 256 };

/* ---- what all workers count together ---- */

/* What is taken of a lane, or said about it. */
struct lane_count {
	const char *lane;
	const char *api_key;       /* names the counter together with the lane; may be NULL; nobody keeps it */
	int64_t requests, tokens;  /* may be below 0: given back */
	int64_t requests_per_minute, tokens_per_minute; /* to keep to, by configuration or provider; 0 = not known here */
	int64_t learned_requests, learned_tokens; /* a minute, as the provider says; 0 = not known here */
	int64_t requests_left, tokens_left; /* as the provider says, -1 = it did not */
	int64_t pause_ms;          /* leave it alone from now on; below 0: the circuit's pause is over */
	enum lane_reason reason;   /* of the pause */
};

struct lane_answer {
	enum {
		LANE_ALONE,        /* nobody can be asked now: go on with the own share */
		LANE_GRANTED,      /* taken */
		LANE_WAITS,        /* nothing was taken; ask again in wait_ms */
	} verdict;
	int64_t wait_ms;
	bool paused;               /* it waits for the end of a pause */
	int64_t learned_requests, learned_tokens; /* by anybody; 0 = not known */
};

struct lane_share {
	void *self;
	/* waits, not for long. False when the caller was cancelled or is past its deadline, and then nothing is taken. */
	bool (*take)(void *self, const struct lane_count *count, int64_t deadline, struct lane_answer *answer, struct err *e);
	/* Never waits, and may lose it. */
	void (*tell)(void *self, const struct lane_count *count);
	/* Never waits: lanes_changed has something. May be NULL. */
	void (*changed)(void *self);
};

/* What stands in drover.lanes. */
struct lane_state {
	const char *name;
	enum lane_reason reason;
	int64_t paused_ms;         /* 0 = not, or not any more; below 0 = this process has nothing to say about it */
	const char *why;
	int64_t learned_requests, learned_tokens; /* what is configured is not passed on: it would outlive its configuration */
};

/* share may be NULL; else it must outlive the lanes, which keep a copy of the struct. */
struct lanes *lanes_new(const struct lane_rules *rules, const struct lane_share *share);
void lanes_free(struct lanes *l); /* nobody may be in */
/* How many processes share the limits when nobody counts for all; 1 at first. */
void lanes_set_workers(struct lanes *l, int64_t n);
/* What all workers know, whole: a pause that is not in it is over, unless it is our own. */
void lanes_told(struct lanes *l, const struct lane_state *all, size_t n);
/* The next lane whose pause or limits have changed since it was given out; false when there is none. The texts are the
 * lane's own, as long as nobody waits. */
bool lanes_changed(struct lanes *l, struct lane_state *state);
/* What was given out could not be written: give it out again. */
void lanes_change_again(struct lanes *l, const struct lane_state *state);

/* ---- one call ---- */

struct lane_wish {
	const struct model_config *config;
	int64_t tokens;            /* an estimate; what was wrong about it is settled afterwards */
	int64_t most_ms;           /* longest wait */
	bool patient;              /* a lane that is only at its limit is waited for until the deadline: the share comes */
	int64_t deadline;          /* of the whole run */
	/* Once, before a wait of a second or more. May be NULL; must not wait. */
	void (*waits)(void *self, const char *code, int64_t wait_ms);
	void *self;
};

struct lane_pass {
	struct lane *lane;
	const struct model_config *config;
	int64_t tokens, deadline;
	bool probe;                /* the one call that tries whether the provider is back */
};

/*
 * waits for its turn, in order of asking. A wait that is or would be longer than allowed: ERR_BUSY "lane_paused",
 * "circuit_open" or "lane_full" with retry_after_ms, untried. Every pass that was given is left.
 */
bool lane_enter(struct lanes *l, const struct lane_wish *wish, struct lane_pass *pass, struct err *e);

struct lane_end {
	const struct err *error;   /* NULL = it went well */
	bool ours;                 /* the error is not the provider's */
	const struct model_usage *usage; /* NULL = not known */
	const struct model_rate *rate;   /* NULL = nothing was said */
};
/* Never waits. */
void lane_leave(struct lanes *l, const struct lane_pass *pass, const struct lane_end *end);
