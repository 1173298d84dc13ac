/* SPDX-License-Identifier: MIT */
/*
 * The agent contract. An agent is one entry in agents.c: what it serves, what it says to the model, what it may call,
 * how far it may go. It gets a run and returns a result; it knows neither queue nor config, so it runs from a test too.
 */
#pragma once
#include "route.h"
#include "span.h"
#include "tool.h"

struct agent_limits {
	int64_t turns;         /* model turns of one request */
	int64_t tool_calls;    /* of one request */
	int64_t turn_tools;    /* of one turn */
	int64_t parallel_tools; /* that run at once */
	int64_t repeats;       /* of the same call with the same arguments */
	int64_t history;       /* earlier requests of the session that the model is told of */
	int64_t expire_ms;     /* that a proposal or a question waits */
	int64_t run_ms;        /* wall time of one attempt */
	int64_t tool_ms;       /* of one tool call */
	int64_t children;      /* that one plan may make */
	size_t result_bytes;   /* of one tool result shown to the model; more is cut and says so */
};

/* What may be spent on models: by a request or session in all, by a user or workspace a day. 0 = no limit. */
struct agent_budgets {
	struct { int64_t tokens, cost; /* micro-units */ } request, session, user, workspace;
};
/* As SQL takes them: JSON { scope: { tokens, cost } }, those that are set. */
const char *agent_budgets_json(struct arena *a, const struct agent_budgets *b);

struct agent_run;
struct agent_result;
struct budgets; /* budget.h */

struct agent {
	const char *type;      /* agent_requests.type */
	const char *name;      /* agent_logs.agent_name */
	const char *text;      /* what it is for, one line: the orchestrator's model chooses by it */
	const char *prompt;    /* system prompt */
	const struct tool *const *tools; /* ends with NULL */
	struct agent_limits limits;      /* 0 = the default of the run */
	const char *const *models;       /* to ask, in order, ends with NULL; NULL = the default and its fallback */
	int64_t max_tokens;              /* of one turn; 0 = the model's */
	int64_t web_searches;            /* of the provider, in one turn; 0 = none */
	const cJSON *result_schema;      /* the answer is JSON of this schema, and stands in result.value; or NULL */
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

/* What a person is asked before a tool call goes on. */
struct agent_proposal {
	const char *tool_call_id, *tool_name;
	const char *kind;      /* approval, question, unknown (an outcome that was lost) */
	const char *input;     /* the arguments, JSON: what the decision is bound to */
	const char *preview;   /* JSON: what the tool would do, as far as it can be tried; or NULL */
	const char *text;      /* the question, or why it is asked; for people */
	bool not_requester;
	int64_t expire_ms;
};

struct agent_result {
	enum {
		AGENT_DONE,
		AGENT_WAITS,   /* for children: run again when all have ended */
		AGENT_ASKS,    /* people: run again when all proposals are decided, or have expired */
	} outcome;
	const char *json;      /* DONE: agent_requests.result */
	const char *message;   /* DONE: the text of the last log row */
	const struct agent_child *children; /* WAITS: run again when all have ended */
	int n_children;
	const struct agent_proposal *proposals; /* ASKS */
	int n_proposals;
};

struct agent_run {
	const struct agent *agent;
	const struct agent *const *agents; /* all, ends with NULL */
	const cJSON *definitions;  /* agent_definitions of this one; shared by all its runs */
	struct arena *arena;       /* of the request */
	struct pg_pool *db;
	struct models *models;
	struct thoughts *thoughts;
	struct budgets *budgets;   /* what the process knows of them; NULL = none is looked at */
	struct stats *stats;       /* NULL = nobody counts */
	const struct span *span;   /* of the run: parent of its turns and calls; NULL = not traced */
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
	struct model_usage broken; /* of calls that broke off, and not counted yet: budget_settle_broken */
	const struct model_config *broken_config; /* whose price they have */
};

/* The turn loop: stream a turn, keep it, run its tool calls, feed the results back, until the model ends. waits. */
bool agent_loop(struct agent_run *run, struct agent_result *result, struct err *e);

/* agents.c: the list. */
extern const struct agent *const agents_all[];
/* What the model is told it may call: made once, for all runs. */
const cJSON *agent_definitions(struct arena *a, const struct agent *agent, const struct agent *const *agents);
const struct agent *agent_find(const struct agent *const *agents, const char *type); /* NULL */
