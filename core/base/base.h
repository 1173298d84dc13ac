/* SPDX-License-Identifier: MIT */
/* What every file may use, and what no file may: small macros, and the C library's traps turned into compile errors. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* These two evaluate an argument twice: no calls in them. */
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(nth, first) __attribute__((format(printf, nth, first)))
#define MUST_CHECK __attribute__((warn_unused_result))

/* Out of memory ends the process: the supervisor restarts it and the lease saves its requests. */
void *mem_alloc(size_t size); /* zeroed */
void *mem_grow(void *old, size_t size);

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets
