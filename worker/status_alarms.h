/* SPDX-License-Identifier: MIT */
/* Alarms: what an operator should do something about. Each is a row of a table; one statement measures them all. */
#pragma once
#include "config.h"
#include "pg.h"
#include "print.h"

enum alarm_level { ALARM_NONE, ALARM_WARN, ALARM_WRONG };

struct alarm_rule {
	const char *name;          /* of the row in status_alarms.sql */
	int64_t warn_at, wrong_at; /* from here on; 0 = never */
	const char *unit;          /* "" = a number */
	const char *what, *mend;
	bool has_detail;           /* the row's own words follow */
};

extern const struct alarm_rule alarm_rules[];
extern const size_t n_alarm_rules;

struct alarm {
	const struct alarm_rule *rule;
	enum alarm_level level;
	int64_t measured;
	const char *detail;
};

struct alarms {
	struct alarm *all; /* those that are raised, the worst first */
	size_t n, wrong;
};

/* waits; a second when it must look twice. */
bool alarms_read(struct pg *db, struct arena *a, const struct config *c, struct alarms *out, struct err *e);
cJSON *alarms_json(struct arena *a, const struct alarms *alarms);
void alarms_print(const struct printer *p, struct arena *a, const struct alarms *alarms);
