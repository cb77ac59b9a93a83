/* The network interfaces that discovery speaks on: one row for each address of this device.
 *
 * Running ones that can broadcast (IPv4) or multicast (IPv6); without loopback, point-to-point links and the bridges
 * and cables of virtual machines and containers, unless the caller names what it wants. If that leaves nothing,
 * loopback: so that programs of one machine find each other without a network, too. Threads: any. */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/limits.h"

struct interfaces_opts {
	const char *const *names; /* exactly these, whatever they are; NULL: by the rule above */
	size_t count;
	bool all; /* every one that runs, also loopback */
};

struct interface { /* unused bytes are zero */
	char name[IF_NAMESIZE];
	unsigned index;
	int family; /* AF_INET or AF_INET6 */
	struct in_addr address;
	struct in_addr broadcast;
	struct in6_addr address6;
};

struct interfaces {
	struct interface all[DISCOVERY_INTERFACES_MAX]; /* sorted */
	unsigned count;
};

/* Whether an interface is to be used; `flags` as in getifaddrs(3). */
bool interfaces_selects(const struct interfaces_opts *opts, const char *name, unsigned flags);

/* Errors: errno of getifaddrs. What goes beyond the limit is left out. */
int interfaces_read(const struct interfaces_opts *opts, struct interfaces *ret_interfaces);
bool interfaces_has_network(const struct interfaces *i); /* more than loopback */
bool interfaces_equal(const struct interfaces *a, const struct interfaces *b);
