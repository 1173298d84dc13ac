/* SPDX-License-Identifier: MIT */
/*
 * The agent contract. An agent is one entry in agents.c: what it serves, what it says to the model, what it may call,
 * how far it may go. It gets a run and returns a result; it knows neither queue nor config, so it runs from a test too.
 */
#pragma once
#include "model.h"
#include "tool.h"

struct agent_limits {
	int64_t turns;         /* model turns of one request */
	int64_t tool_calls;    /* of one request */
	int64_t turn_tools;    /* of one turn */
	int64_t run_ms;        /* wall time of one attempt */
	int64_t tool_ms;       /* of one tool call */
	int64_t children;      /* that one plan may make */
	size_t result_bytes;   /* of one tool result shown to the model; more is cut and says so */
};

struct agent_run;
struct agent_result;

struct agent {
	const char *type;      /* agent_requests.type */
	const char *name;      /* agent_logs.agent_name */
	const char *text;      /* what it is for, one line: the orchestrator's model chooses by it */
	const char *prompt;    /* system prompt */
	const struct tool *const *tools; /* ends with NULL */
	struct agent_limits limits;      /* 0 = the default of the run */
	bool quiet;            /* for housekeeping: the log has only what the agent itself says, and errors */
	/* What the model may call, when it is not just tools; or NULL. */
	const cJSON *(*define)(struct arena *a, const struct agent *const *agents);
	/* waits. agent_loop for an agent that is a prompt and tools. */
	bool (*run)(struct agent_run *run, struct agent_result *result, struct err *e);
};

struct agent_child {
	const char *type;
	const char *request;
	struct field_list after; /* of int64_t: numbers of earlier children, from 0, that must have ended first */
};

struct agent_result {
	enum { AGENT_DONE, AGENT_WAITS } outcome;
	const char *json;      /* DONE: agent_requests.result */
	const char *message;   /* DONE: the text of the last log row */
	const struct agent_child *children; /* WAITS: run again when all have ended */
	int n_children;
};

struct agent_run {
	const struct agent *agent;
	const struct agent *const *agents; /* all, ends with NULL */
	const cJSON *definitions;  /* agent_definitions of this one; shared by all its runs */
	struct arena *arena;       /* of the request */
	struct pg_pool *db;
	struct model *model;
	struct thoughts *thoughts;
	struct agent_limits limits;
	int64_t deadline;

	int64_t request_id, version; /* the fence */
	int attempt;
	bool is_child;
	bool dry_run;
	const char *session_id, *user_id, *workspace_id; /* the last two may be NULL */
	const char *request;
	const cJSON *context;      /* an object */

	struct model_usage usage;  /* summed over turns, this attempt */
};

/* The turn loop: stream a turn, keep it, run its tool calls, feed the results back, until the model ends. waits. */
bool agent_loop(struct agent_run *run, struct agent_result *result, struct err *e);

/* agents.c: the list. */
extern const struct agent *const agents_all[];
/* What the model is told it may call: made once, for all runs. */
const cJSON *agent_definitions(struct arena *a, const struct agent *agent, const struct agent *const *agents);
const struct agent *agent_find(const struct agent *const *agents, const char *type); /* NULL */
