/* The devices that may be showing the code that was typed here, in the order in which to try them.
 *
 * A try at the wrong device costs that one a guess of its own code, so none is tried twice: what has been asked to
 * check the code is spent, by whatever address it was reached. And each try lets whoever answers guess our code once,
 * so their number is limited. Only being busy, which costs neither side anything, allows another try later.
 *
 * A step machine: times of one monotonic clock in. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/beacon.h"
#include "net/limits.h"

struct candidate {
	uint64_t id; /* the instance of its beacon, or any number that is its own */
	char name[BEACON_NAME_MAX + 1];
	struct sockaddr_storage addresses[CANDIDATE_ADDRESSES_MAX];
	unsigned count;
	unsigned at; /* the address to try next; `count`: none is left */
	bool spent;
	uint64_t not_before_ms;
};

struct candidates { /* all zero: empty */
	struct candidate all[CANDIDATES_MAX];
	unsigned count;
	unsigned guesses;
};

/* The device that was added, or has one address more; NULL: nothing new, or no room. An address belongs to the device
 * that first came with it. */
struct candidate *candidates_add(struct candidates *c, uint64_t id, const char *name, const struct sockaddr *address);

struct candidate *candidates_next(struct candidates *c, uint64_t now_ms); /* NULL: none at this time */
uint64_t candidates_next_ms(const struct candidates *c);		  /* when there is one; UINT64_MAX: never */
const struct sockaddr *candidate_address(const struct candidate *candidate);

/* How a try ended. */
void candidates_unreached(struct candidates *c, struct candidate *candidate); /* not by this address */
void candidates_busy(struct candidates *c, struct candidate *candidate, uint64_t now_ms);
void candidates_spent(struct candidates *c, struct candidate *candidate); /* it has been asked to check the code */
