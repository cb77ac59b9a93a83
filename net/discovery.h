/* Finding devices on the local network: announces this one by beacons and listens for others', on one UDP port. IPv4
 * broadcast and IPv6 multicast (one hop), on each interface (net/interfaces.h), which are read again every 30 s,
 * without a network every 2 s.
 *
 * What is heard is a hint to dial and proves nothing: net/beacon.h. Several programs of one machine work side by side
 * and hear each other. Trouble with sending (no network, a full queue) is passed over; the next beacon follows.
 *
 * Threads: that of the loop; callbacks come from the loop, never from within a call; discovery_close is fine in them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/beacon.h"
#include "net/interfaces.h"

#define DISCOVERY_PORT	21837		     /* below where Linux takes ports for outgoing connections from */
#define DISCOVERY_GROUP "ff12::73:6865:6c66" /* link-local, not assigned by anybody; "shelf" */

struct discovery;

struct discovery_opts {	    /* everything is copied */
	uint16_t udp_port;  /* 0: DISCOVERY_PORT */
	uint16_t tcp_port;  /* where this device listens; 0: announces nothing, only listens */
	const uint8_t *key; /* BEACON_KEY_LEN bytes of a library; NULL: neither sends nor hears sealed beacons */
	struct uuid device; /* of this device, as the next; in sealed beacons only */
	uint64_t epoch;
	struct interfaces_opts interfaces;

	/* Any may be NULL. `from` is the sender with its TCP port, as is: to dial. */
	void (*heard)(void *arg, const struct uuid *device, const struct sockaddr *from); /* of our library */
	void (*open_heard)(void *arg, const struct beacon *beacon,
			   const struct sockaddr *from); /* open for pairing, or
							    (LEAVING) no longer */
	void (*network_changed)(void *arg);		 /* other interfaces or addresses than before */
	void *arg;
};

/* Errors: -ENOMEM, -EADDRINUSE (by something else) and other errno of sockets; the loop has to run once more then, as
 * after closing. Without IPv6 it goes on. */
int discovery_open(uv_loop_t *loop, const struct discovery_opts *opts, struct discovery **ret_discovery);

/* Says that this device leaves; no callback comes any more but `closed` (may be NULL), and then all is freed. */
void discovery_close(struct discovery *d, void (*closed)(void *arg), void *arg);

/* Another key (removing a device renews it), or none: NULL. Announced at once. Errors: -ENOMEM. */
int discovery_set_key(struct discovery *d, const uint8_t *key);

/* Pairing is open: announced at once and often, with `name` (a title; empty: no name), until `name` is NULL. Errors:
 * -ERR_MALFORMED (no title), -EINVAL (it has no TCP port). */
int discovery_open_pairing(struct discovery *d, const char *name);

/* `heard` comes once more for all that were heard of late, from within: somebody may be a member by now. */
void discovery_tell_again(struct discovery *d);
void discovery_look_again(struct discovery *d); /* reads the interfaces now: after sleep, for example */
