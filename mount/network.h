/* The network life of an open library: the sync thread with its node, discovery, pairing and replication.
 *
 * Members are read from the catalogue whenever its device rows change; a device that is no member any more is cut at once,
 * and a device that finds itself removed leaves the network. Threads: any but the sync thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "mount/out.h"
#include "net/node.h"
#include "net/pairing.h"
#include "net/pairing_code.h"
#include "sync/core.h"

struct library;
struct network;

struct network_opts {
	const char *listen;		/* "ADDRESS:PORT" or ":PORT"; NULL: all addresses, the port of this device */
	bool no_discovery;		/* no beacons: only addresses that are known */
	const char *const *interfaces;	/* that beacons go out on; NULL: all that are fit */
	size_t interface_count;
};

/* Says on `out` what is wrong. Errors: -EINVAL (listen), -EADDRINUSE, errno. */
int network_start(struct library *library, const struct network_opts *opts, struct out *out, struct network **ret_network);

/* Says goodbye to everybody and ends the thread; returns when all is closed. NULL does nothing. */
void network_stop(struct network *network);

uint16_t network_port(struct network *network);
enum core_state network_state(struct network *network);

struct network_peer {
	struct node_info node;
	bool has_core; /* the next is set: it was up since the start */
	struct core_peer core;
};
int network_peer(struct network *network, const struct uuid *device, struct network_peer *ret_peer); /* Errors: -ENOENT */

/* As replicator_compare, and -ENOTCONN: it is offline. */
int network_compare(struct network *network, const struct uuid *device, struct core_comparison *ret_comparison);

/* An address that the user took back is no longer tried. Errors: -ENOENT. */
int network_forget_address(struct network *network, const struct uuid *device, const char *address);

/* Reads the members, their settings and addresses again: after something of them was set in sync.db. */
void network_refresh(struct network *network);

/* --- pairing: the side that shows the code --- */

struct pairing_window; /* while a code is open */

struct pairing_news {
	char code[PAIRING_CODE_TEXT_LEN + 1];
	uint64_t left_ms;
	unsigned runs_left;
	bool over;
	enum pairing_code_state reason;	   /* once over */
	enum pairing_outcome last_outcome; /* of the last run; RUNNING: there was none */
	unsigned runs;			   /* so far */
	char device[256];		   /* that had the right code; empty: none */
	struct uuid device_id;		   /* the same one's */
	enum pairing_outcome verdict;	   /* on it: PAIRED, ALREADY_MEMBER or REFUSED; RUNNING: none */
	int error;			   /* why it was REFUSED ... */
	int64_t clock_offset_ms;	   /* ... with -ERR_AHEAD: its clock less ours */
	bool removed;			   /* this device, meanwhile: nobody is let in any more */
};

/* Errors: -EALREADY (a code is open), -EACCES (this device was removed), -ENOMEM. */
int network_pair_open(struct network *network, struct pairing_window **ret_window);
void network_pair_close(struct network *network, struct pairing_window *window);

/* Meanwhile, from any thread: */
void pairing_window_look(struct pairing_window *window, struct pairing_news *ret_news);
/* Waits until there is news since the last look, at most `ms`. */
void pairing_window_wait(struct pairing_window *window, unsigned ms);
