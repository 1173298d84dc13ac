/* SPDX-License-Identifier: MIT */
/* The built program, run as a user runs it: by a shell, in an empty directory, with what it printed kept. */
#pragma once
#include "process.h"
#include "test_pg.h"

struct ran {
	int status;
	const char *out, *err; /* what it printed, as text */
};

/* "$D" in the command is the program. url becomes DATABASE_URL; NULL = none. waits. */
struct ran shell(struct arena *a, const char *url, const char *command);

/* The same while the test does other things: shell_end waits for it. */
struct shell;
struct shell *shell_start(struct arena *a, const char *url, const char *command);
void shell_signal(struct shell *s, int number);
/* Waits until what it has printed on stdout holds the text; false after some seconds. */
bool shell_prints(struct shell *s, const char *text);
bool shell_complains(struct shell *s, const char *text); /* on stderr */
struct ran shell_end(struct shell *s);

#define CHECK_HAS(text, part) test_check(strstr((text), (part)) != NULL, __FILE__, __LINE__, #text " has " #part)
#define CHECK_LACKS(text, part) test_check(strstr((text), (part)) == NULL, __FILE__, __LINE__, #text " lacks " #part)

size_t count_lines(const char *text);
/* Every line is a JSON object. */
bool is_json_lines(struct arena *a, const char *text);
