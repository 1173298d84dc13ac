/* SPDX-License-Identifier: MIT */
/* Inside command*.c only: values of flags. */
#pragma once
#include "command.h"

/* text NULL for a switch. ERR_INPUT "usage". */
bool command_flag_set(const struct flag *f, struct arena *a, const char *text, void *options, struct err *e);
bool command_flags_preset(const struct flag *f, struct arena *a, void *options, struct err *e);
