/* Who may wait at the door: accepted connections that have not proven to be a member yet. Few of one source; when all
 * places are taken, the one that waits longest makes room, so that callers who say nothing cannot keep members out.
 * No I/O, no clock, no allocation. Threads: one at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "net/limits.h"

struct admission { /* all zero is empty */
	size_t count;
	struct admission_place {
		void *owner; /* NULL: free */
		uint64_t since;
		uint8_t source[ADDRESS_SOURCE_LEN];
	} places[NODE_HALF_OPEN_MAX];
	uint64_t entries; /* so far: who waits longest */
};

/* Takes a place for `owner`. In ret_evicted the owner who has to go for it, and has left; or NULL.
 * Errors: -EBUSY (the source has all that it may have). */
int admission_enter(struct admission *a, const uint8_t source[ADDRESS_SOURCE_LEN], void *owner, void **ret_evicted);

void admission_leave(struct admission *a, const void *owner); /* also when it is not there */
