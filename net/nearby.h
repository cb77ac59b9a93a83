/* Which devices of this network are open for pairing: listens for their beacons for a while (`shelf discover`).
 * What they say about themselves is not proven. Threads: that of the loop. */
#pragma once

#include <uv.h>

#include "net/candidates.h"
#include "net/discovery.h"

struct nearby;

struct nearby_opts {
	struct discovery_opts discovery; /* port and interfaces; all else is ours */
	uint64_t time_ms;		 /* 0: until it is closed */

	/* Any may be NULL. A device is found when it is first heard, and for each further address of it (the last). */
	void (*found)(void *arg, const struct candidate *device);
	void (*done)(void *arg); /* the time is up */
	void *arg;
};

/* Errors: as discovery_open. */
int nearby_open(uv_loop_t *loop, const struct nearby_opts *opts, struct nearby **ret_nearby);
void nearby_close(struct nearby *n, void (*closed)(void *arg), void *arg); /* `closed` may be NULL */
