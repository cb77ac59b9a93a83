/* The device where a code was typed, over sockets: finds the devices that may be showing it (at addresses that the user
 * names, else by their beacons), tries one after another by net/candidates.h, until one has paired or the time is up.
 *
 * With one proven answer (paired, already a member, refused, the same device) it ends at once. Otherwise it goes on to
 * the next; when none is left, it listens a little longer, or ends at once where the user named the addresses. A run
 * that is on when the time is up goes on to its own end.
 *
 * Threads: that of the loop. Callbacks come from the loop; pairing_guest_close is fine in all but `decide`. */
#pragma once

#include <stdint.h>
#include <uv.h>

#include "net/discovery.h"
#include "net/pairing.h"

struct pairing_guest;

enum pairing_guest_stage {
	GUEST_SEARCHING,  /* for devices, or for the addresses of names */
	GUEST_FOUND,	  /* a device: it will be tried */
	GUEST_CONNECTING, /* to the device, as in all that follow */
	GUEST_CHECKING,	  /* the code */
	GUEST_WAITING,	  /* the code was right; the other side decides */
};

struct pairing_guest_progress {
	enum pairing_guest_stage stage;
	const char *name;		/* as its beacon has it, unproven; "" without one */
	const struct sockaddr *address; /* NULL when SEARCHING */
};

struct pairing_guest_end {
	enum pairing_outcome outcome; /* final; of several devices, that of the one that came furthest */
	int error; /* when HUNG_UP or TIMED_OUT says too little: why nobody was reached, a negative errno, else 0.
		      -ENOENT: nobody was found */
	const char *name; /* of that device, as above; address: NULL when there was none */
	const struct sockaddr *address;
	const uint8_t *peer_key; /* PAIRED and REFUSED only, as the rest; borrowed for the call */
	const void *payload;
	size_t payload_len;
};

struct pairing_guest_opts {
	const char *code;	      /* from pairing_code_normalise; copied */
	const uint8_t *static_secret; /* KEY_SECRET_LEN bytes; borrowed until closed */
	const void *payload;	      /* for the other device, up to PAIRING_PAYLOAD_MAX; copied */
	size_t payload_len;
	const char *const *addresses; /* HOST:PORT, up to PAIRING_ADDRESSES_MAX; each is one device. NULL: beacons */
	size_t address_count;
	struct discovery_opts discovery; /* where to listen: port and interfaces; all else is ours */
	uint64_t time_ms;		 /* 0: PAIRING_SEARCH_MS */
	uint64_t (*now_ms)(void);	 /* NULL: clock_monotonic_ms */

	void (*progress)(void *arg, const struct pairing_guest_progress *progress); /* may be NULL */
	/* The other device is proven, and is not told of this one yet: PAIRING_PAIRED to go on; PAIRING_ALREADY_MEMBER
	 * or PAIRING_REFUSED to leave, which is the outcome then. All borrowed for the call. NULL: goes on. */
	enum pairing_outcome (*decide)(void *arg, const uint8_t *peer_key, const void *payload, size_t len);
	void (*end)(void *arg, const struct pairing_guest_end *end);		    /* once */
	void *arg;
};

/* Errors: -ENOMEM, -ERR_TOO_LARGE (payload, number of addresses), -ERR_MALFORMED (code, secret, an address), those of
 * discovery_open. */
int pairing_guest_open(uv_loop_t *loop, const struct pairing_guest_opts *opts, struct pairing_guest **ret_guest);

/* What the other devices are told from now on: the next tries, not one that is on. Errors: -ERR_TOO_LARGE. */
int pairing_guest_set_payload(struct pairing_guest *guest, const void *payload, size_t len);

/* A run that is on breaks off; no callback comes any more but `closed` (may be NULL). */
void pairing_guest_close(struct pairing_guest *guest, void (*closed)(void *arg), void *arg);
