/* SPDX-License-Identifier: MIT */
/* Which addresses are of the open internet: what a tool may call when nobody said that it may call its own neighbours. */
#pragma once
#include "base.h"

/*
 * address: "192.0.2.1", "2001:db8::1" or "[2001:db8::1]". False for loopback, private, link-local (the metadata services of
 * clouds among them), shared (CGNAT), multicast, reserved and documentation ranges, for IPv6 addresses that carry such an
 * IPv4 address, and for what is no address.
 */
bool address_is_public(const char *address);
