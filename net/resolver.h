/* Looks up the addresses that people name (HOST:PORT), one name after another, on libuv's threads.
 * Threads: that of the loop. Callbacks come from the loop, `looked_up` also from within resolver_start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "net/limits.h"

struct resolver;

struct resolver_opts {
	const char *const *names; /* up to PAIRING_ADDRESSES_MAX; copied */
	size_t count;
	void (*found)(void *arg, size_t which, const struct sockaddr *address); /* of the name with this index */
	/* Each name once, after its addresses; `error`: 0, or why there is none: -EHOSTUNREACH (no such name, or nobody
	 * who knows), other errno. resolver_close is fine in it. */
	void (*looked_up)(void *arg, size_t which, int error);
	void *arg;
};

/* Errors: -ENOMEM, -ERR_TOO_LARGE (count), -ERR_MALFORMED (a name is not HOST:PORT). */
int resolver_new(const struct resolver_opts *opts, struct resolver **ret_resolver);
void resolver_start(struct resolver *r, uv_loop_t *loop);
bool resolver_is_done(const struct resolver *r); /* all names have been looked up; also before the last `looked_up` */

/* No callback comes any more but `closed` (may be NULL): at once, or when the look-up that is on has come back. */
void resolver_close(struct resolver *r, void (*closed)(void *arg), void *arg);
