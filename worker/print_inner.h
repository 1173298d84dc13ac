/* SPDX-License-Identifier: MIT */
/* Inside print*.c only: which characters a terminal would obey, and the switches of colour. */
#pragma once
#include "print.h"

/* The character at s.p, which is valid UTF-8; *n is its length. */
uint32_t print_decode(struct str s, size_t *n);
/* Controls, and characters that turn the direction of text or are not seen. */
bool print_is_control(uint32_t c);
const char *print_on(const struct printer *p, enum print_style style); /* "" without colours */
const char *print_off(const struct printer *p, enum print_style style);
