/* The two ends of a connection that carries frames: an `out` that writes into it, and the process that shows what comes
 * out of it. Used between daemon and client, and between a starting daemon and the process that waits for it.
 * Threads: one at a time for one connection. */
#pragma once

#include <stdatomic.h>

#include "mount/out.h"

struct channel {
	int fd;			     /* a stream socket; borrowed */
	const atomic_bool *stopping; /* true: commands are to end; NULL = never */
};

/* The writing end; its arg is a struct channel. Cancelled when the other side has closed its half, or when stopping. */
extern const struct out_sink channel_sink;

/* Sends the exit code, which ends the exchange. */
int channel_exit(struct channel *channel, int code);

/* The showing end: passes all that comes on to `out` until the exit code. An interrupt (terminal_interrupted) closes
 * our half of the connection, and goes on showing. Errors: -EPIPE (the other process ended before the exit code),
 * -ERR_MALFORMED, -ERR_TOO_LARGE, errno. */
int channel_show(int fd, struct out *out, int *ret_code);
