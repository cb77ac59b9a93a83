/* The device that shows a code, over sockets: makes the code, runs net/pairing.h with everybody who connects for it,
 * one run at a time as the code demands, and says how it went. While it is open, discovery tells it to the
 * neighbourhood.
 *
 * The listener is not here: it hands over accepted connections whose preamble said PREAMBLE_PAIR. When the code is dead
 * (`over`), the object stays until it is closed, and tells whoever comes why it refuses.
 *
 * Threads: that of the loop. Callbacks come from the loop; pairing_host_close is fine in all but `decide`. The code and the keys of others: do not log them. */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "net/discovery.h"
#include "net/pairing.h"

struct pairing_host;

struct pairing_host_opts {
	const uint8_t *static_secret; /* KEY_SECRET_LEN bytes; borrowed until closed */
	const void *payload;	      /* for the other device, up to PAIRING_PAYLOAD_MAX; copied */
	size_t payload_len;
	struct discovery *discovery; /* that announces it; borrowed until closed; NULL: nobody is told */
	const char *name;	     /* to be shown to everybody nearby; NULL: none. Copied */
	uint64_t life_ms;	     /* of the code; 0: PAIRING_CODE_LIFE_MS, which is also the most */
	uint64_t (*now_ms)(void);    /* NULL: clock_monotonic_ms */

	/* The other device is proven: store its key durably and return PAIRING_PAIRED, or PAIRING_ALREADY_MEMBER or
	 * PAIRING_REFUSED. All borrowed for the call. */
	enum pairing_outcome (*decide)(void *arg, const uint8_t *peer_key, const void *payload, size_t len);
	/* A run is over. May be NULL, as the next. For a run that came to `decide` and broke then, the other device
	 * does not know that it was accepted: see net/pairing.h. */
	void (*ended)(void *arg, enum pairing_outcome outcome, unsigned runs_left);
	void (*over)(void *arg, enum pairing_code_state reason); /* DONE, EXPIRED or USED_UP. Once, after `ended` */
	void *arg;
};

/* Errors: -ENOMEM, -ERR_TOO_LARGE (payload), -ERR_MALFORMED (secret, name). */
int pairing_host_open(uv_loop_t *loop, const struct pairing_host_opts *opts, struct pairing_host **ret_host);

const char *pairing_host_code(const struct pairing_host *host); /* "WXYZ-1234", to show; borrowed */
uint64_t pairing_host_left_ms(const struct pairing_host *host);

/* A connection that was accepted, its preamble read: on the heap, initialised, read by nobody. Taken over in any case.
 * When there are too many, the oldest that has not begun a run goes. Errors: -ENOMEM, -EBUSY (all have). */
int pairing_host_take(struct pairing_host *host, uv_tcp_t *tcp);

/* What the other devices are told from now on: the next connections, not those that are there. Errors: -ERR_TOO_LARGE.
 */
int pairing_host_set_payload(struct pairing_host *host, const void *payload, size_t len);

/* Runs that are on break off; no callback comes any more but `closed` (may be NULL). */
void pairing_host_close(struct pairing_host *host, void (*closed)(void *arg), void *arg);
