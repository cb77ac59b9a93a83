/* The time in which this device lets another one in: a code is shown, somebody types it elsewhere, and the new member is
 * written. The command that opened it looks at it from its own thread. */
#pragma once

#include <uv.h>

#include "base/key.h"
#include "mount/network.h"
#include "net/discovery.h"
#include "store/store.h"

struct pairing_window_opts {
	uv_loop_t *loop;
	struct store *store;
	const struct key *key;	     /* borrowed */
	struct discovery *discovery; /* borrowed; NULL: nobody is told */
	/* The clock agrees with that of a device that is let in next: stamps that ran ahead are repaired before it
	 * returns. */
	void (*clock_confirmed)(void *arg);
	void *arg;
};

/* On the loop. Errors: -ENOMEM, net/pairing_host.h. */
int pairing_window_open(const struct pairing_window_opts *opts, struct pairing_window **ret_window);
void pairing_window_take(struct pairing_window *window, uv_tcp_t *tcp);
/* On the loop: this device was removed, nobody can be let in any more; the command is told. */
void pairing_window_revoke(struct pairing_window *window);
/* On the loop; runs that are on break off. The object stays until pairing_window_free. */
void pairing_window_shut(struct pairing_window *window);

/* After pairing_window_shut; waits until its connections are closed. Not on the loop. */
void pairing_window_free(struct pairing_window *window);
