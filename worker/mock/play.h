/* SPDX-License-Identifier: MIT */
/* Writes an answer: as a stream with its pace and its accidents, or as a plain page. */
#pragma once
#include "speech.h"

/* waits, as long as the reply takes */
bool play_reply(struct http_exchange *x, const struct play *p, struct err *e);
/* waits. The provider's way to refuse: why->code is the type. */
bool play_refusal(struct http_exchange *x, const struct play *p, const struct err *why, struct err *e);
