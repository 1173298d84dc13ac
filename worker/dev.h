/* SPDX-License-Identifier: MIT */
/* Everything in one process, for a first look and for development: private Postgres, schema, demo data, scripted model,
 * worker. */
#pragma once
#include "embedded.h"
#include "mock.h"
#include "settings.h"

#define DEV_USER "00000000-0000-4000-8000-0000000000d0" /* owner of the demo data */

struct dev {
	struct embedded postgres;
	const char *owner_url, *worker_url, *model_url;
	struct mock *mock;          /* NULL: a model of the user's own */
	struct pool_config pool_config;
	struct pool *pool;
	struct group fibers;
};

struct dev_options {
	const char *dir;
	bool fresh;
	bool own_model;             /* use the configured model instead of the scripted one */
	bool no_worker;             /* the rest only */
	const struct config *config;
};

/* Starts all of it; requests are served when it returns. waits. Stop with dev_stop, also after a failure. */
bool dev_start(struct arena *a, const struct dev_options *o, struct dev *d, struct err *e);
/* Worker first, Postgres last. waits. */
void dev_stop(struct dev *d);
