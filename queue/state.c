/* SPDX-License-Identifier: MIT */
#include "state.h"

const struct queue_state queue_states[] = {
	{ "queued", "ready", "waits for a worker" },
	{ "queued", "scheduled", "waits for its run_at" },
	{ "queued", "retry_wait", "waits for its next attempt" },
	{ "queued", "waiting_dependencies", "a child that waits for siblings" },
	{ "processing", "running", "a worker has it" },
	{ "processing", "waiting_children", "waits for its children, without a worker" },
	{ "processing", "ready", "its children have ended; waits for a worker" },
	{ "completed", "completed", "has its result" },
	{ "failed", "failed", "has its error" },
	{ "failed", "cancelled", "was cancelled" },
	{ "failed", "superseded", "a newer request of its key took its place" },
};
const size_t n_queue_states = COUNT(queue_states);

const struct queue_move queue_moves[] = {
	{ "", "ready", "insert", "the app asks" },
	{ "", "scheduled", "insert", "run_at is in the future" },
	{ "", "ready", "spawn_children", "a child" },
	{ "", "waiting_dependencies", "spawn_children", "a child with earlier siblings" },
	{ "scheduled", "ready", "promote", "due" },
	{ "retry_wait", "ready", "promote", "due" },
	{ "waiting_dependencies", "ready", "free_waiting", "its siblings have ended" },
	{ "ready", "running", "claim", "a worker takes it" },
	{ "running", "completed", "finish", "answered" },
	{ "running", "failed", "finish", "an error that another try would not mend, or no attempts left" },
	{ "running", "cancelled", "finish", "told to stop" },
	{ "running", "retry_wait", "retry_later", "an error that time may mend" },
	{ "running", "ready", "release", "drained; the attempt does not count" },
	{ "running", "ready", "give_back", "its worker never heard of it: the answer of the claim was lost" },
	{ "running", "ready", "rescue", "its worker died" },
	{ "running", "failed", "rescue", "its worker died once too often" },
	{ "running", "cancelled", "rescue", "its worker died after it was told to stop" },
	{ "running", "waiting_children", "spawn_children", "the orchestrator has planned" },
	{ "waiting_children", "ready", "free_waiting", "all children have ended" },
	{ "ready", "cancelled", "end_request", "cancelled before it ran" },
	{ "scheduled", "cancelled", "end_request", "cancelled before it was due" },
	{ "retry_wait", "cancelled", "end_request", "cancelled between attempts" },
	{ "waiting_dependencies", "cancelled", "end_request", "cancelled with its parent, or alone" },
	{ "waiting_children", "cancelled", "end_request", "cancelled with its children" },
	{ "ready", "superseded", "end_request", "a newer one of its key" },
	{ "scheduled", "superseded", "end_request", "a newer one of its key" },
	{ "retry_wait", "superseded", "end_request", "a newer one of its key" },
	{ "waiting_dependencies", "superseded", "end_request", "a newer one of its parent's key" },
	{ "waiting_children", "superseded", "end_request", "a newer one of its key" },
	{ "failed", "ready", "retry", "an operator tries again" },
	{ "cancelled", "ready", "retry", "an operator tries again" },
	{ "superseded", "ready", "retry", "an operator tries again" },
};
const size_t n_queue_moves = COUNT(queue_moves);
