/* SPDX-License-Identifier: MIT */
#include "address.h"
#include <arpa/inet.h>

/* The registries of special-purpose addresses of IANA, RFC 6890 and its successors. */
static const struct {
	const char *net;
	int bits;
} closed4[] = {
	{ "0.0.0.0", 8 },      { "10.0.0.0", 8 },      { "100.64.0.0", 10 },   { "127.0.0.0", 8 },    { "169.254.0.0", 16 },
	{ "172.16.0.0", 12 },  { "192.0.0.0", 24 },    { "192.0.2.0", 24 },    { "192.31.196.0", 24 }, { "192.52.193.0", 24 },
	{ "192.88.99.0", 24 }, { "192.168.0.0", 16 },  { "192.175.48.0", 24 }, { "198.18.0.0", 15 },  { "198.51.100.0", 24 },
	{ "203.0.113.0", 24 }, { "224.0.0.0", 4 },     { "240.0.0.0", 4 },
}, closed6[] = { /* within 2000::/3, which is all that is routed */
	{ "2001::", 23 }, { "2001:db8::", 32 }, { "3fff::", 20 },
};

/* IPv6 that carries an IPv4 address behind `bits`: judged by that one. */
static const struct {
	const char *net;
	int bits;
} carriers[] = { { "::ffff:0:0", 96 }, { "64:ff9b::", 96 }, { "2002::", 16 } };

static bool in_net(const unsigned char *address, int family, const char *net, int bits)
{
	unsigned char want[16];
	if (inet_pton(family, net, want) != 1)
		return true;
	int whole = bits / 8, rest = bits % 8;
	return memcmp(address, want, (size_t)whole) == 0 && (!rest || (address[whole] ^ want[whole]) >> (8 - rest) == 0);
}

static bool is_public4(const unsigned char *address)
{
	for (size_t i = 0; i < COUNT(closed4); i++)
		if (in_net(address, AF_INET, closed4[i].net, closed4[i].bits))
			return false;
	return true;
}

static bool is_public6(const unsigned char *address)
{
	for (size_t i = 0; i < COUNT(carriers); i++)
		if (in_net(address, AF_INET6, carriers[i].net, carriers[i].bits))
			return is_public4(address + carriers[i].bits / 8);
	for (size_t i = 0; i < COUNT(closed6); i++)
		if (in_net(address, AF_INET6, closed6[i].net, closed6[i].bits))
			return false;
	return in_net(address, AF_INET6, "2000::", 3);
}

bool address_is_public(const char *address)
{
	unsigned char bytes[16];
	char bare[64] = "";
	size_t n = strlen(address);
	if (address[0] == '[' && n > 2 && n < sizeof(bare)) {
		memcpy(bare, address + 1, n - 2);
		address = bare;
	}
	if (inet_pton(AF_INET, address, bytes) == 1)
		return is_public4(bytes);
	return inet_pton(AF_INET6, address, bytes) == 1 && is_public6(bytes);
}
