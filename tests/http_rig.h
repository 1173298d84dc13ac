/* SPDX-License-Identifier: MIT */
/* A client and a server whose pages answer, stall, cut and wait, for all tests of the HTTP client. */
#pragma once
#include "clock.h"
#include "http.h"
#include "http_server.h"
#include "net.h"
#include "test.h"

struct http_rig {
	struct http *http;
	struct http_server *server;
	struct group group;
	int gathered, descriptors;
};

enum { HTTP_RIG_GATHER = 200 }; /* /gather answers when so many are there */

/* Both end with the arena, and nothing may be left of them. */
struct http_rig *http_rig_new(struct arena *a);
const char *http_rig_url(struct arena *a, const struct http_rig *r, const char *path);
const char *http_port_url(struct arena *a, int port);
bool http_rig_get(struct http_rig *r, struct arena *a, const char *path, struct http_reply *reply, struct err *e);

/* A sink that keeps everything in .all, which the test makes, and fails at one piece. */
struct http_collector {
	struct buf *all;
	size_t pieces, fail_after;
	int status;
	char type[64];
};

bool http_collect(void *collector, struct str piece, struct err *e);

/* A call in a fiber of its own, for group_start. */
struct http_rig_call {
	struct http *http;
	const char *url;
	struct task *task;
	struct err e;
	bool ok, ended;
	struct http_collector *collector;
};

bool http_rig_call_run(void *call, struct err *unused);
