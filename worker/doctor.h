/* SPDX-License-Identifier: MIT */
/* Inside doctor*.c and cmd_doctor.c only: the checks, and what they say. */
#pragma once
#include "command.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_WRONG, DOCTOR_LEVELS };

struct doctor_line {
	enum doctor_level level;
	const char *what, *text;
	const char *mend; /* or NULL */
	struct doctor_line *next;
};

struct doctor {
	struct command_run *run;
	struct arena *a;
	const struct config *config;
	bool config_is_wrong;
	struct pg *db;        /* NULL = not reachable: checks that need it are left out */
	bool migrated;        /* statements can be checked */
	struct doctor_line *first, **end;
	size_t count[DOCTOR_LEVELS];
};

/* mend: what a person should do, or NULL. No secret may be in the text. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *what, const char *mend, const char *format, ...)
	PRINTF_LIKE(5, 6);

/* Each says at least one line, and waits. */
void doctor_check_config(struct doctor *d);
void doctor_check_limits(struct doctor *d);
void doctor_check_connection(struct doctor *d); /* opens d->db */
void doctor_check_hosts(struct doctor *d);      /* nothing to say of one host */
void doctor_check_pooler(struct doctor *d);     /* may open d->db anew */
void doctor_check_server(struct doctor *d);
void doctor_check_migrations(struct doctor *d); /* sets d->migrated */
void doctor_check_statements(struct doctor *d);
void doctor_check_listen(struct doctor *d);
void doctor_check_connections(struct doctor *d);
void doctor_check_delivery(struct doctor *d);
void doctor_check_catalog(struct doctor *d); /* with a database, its statements too */
void doctor_check_key(struct doctor *d);
void doctor_check_model(struct doctor *d);
