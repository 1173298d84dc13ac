/* SPDX-License-Identifier: MIT */
#include "test.h"
