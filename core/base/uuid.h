/* SPDX-License-Identifier: MIT */
#pragma once
#include "base.h"

enum { UUID_TEXT = 37 };

/* A random one (version 4), from the kernel. */
void uuid_make(char text[UUID_TEXT]);
