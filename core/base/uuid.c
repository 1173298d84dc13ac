/* SPDX-License-Identifier: MIT */
#include "uuid.h"
#include <sys/random.h>

void uuid_make(char text[UUID_TEXT])
{
	unsigned char b[16];
	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (b[6] & 0x0F) | 0x40;
	b[8] = (b[8] & 0x3F) | 0x80;
	for (size_t i = 0, at = 0; i < sizeof(b); i++) {
		bool dash = i == 4 || i == 6 || i == 8 || i == 10;
		at += (size_t)snprintf(text + at, UUID_TEXT - at, dash ? "-%02x" : "%02x", b[i]);
	}
}
