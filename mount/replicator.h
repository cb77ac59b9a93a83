/* Drives the replication core (sync/core.h) of an open library: hands its messages to the node, carries its effects out on
 * the store, and tells it what was committed here.
 *
 * What reads or writes the database runs on threads of libuv's pool, so the loop never waits for the write gate; results come
 * back to the loop. Threads: the loop's, unless said otherwise. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/uuid.h"
#include "net/node.h"
#include "store/peer.h"
#include "store/store.h"
#include "sync/core.h"

struct replicator;

struct replicator_opts {
	uv_loop_t *loop;
	struct store *store;
	uint16_t port; /* where this device listens; told to peers */
	/* All called on the loop. */
	int (*send)(void *arg, const struct uuid *peer, const void *message, size_t len); /* as node_send */
	void (*close)(void *arg, const struct uuid *peer);				  /* ends the connection */
	void (*members_changed)(void *arg); /* rows of devices were merged */
	void *arg;
};

/* Errors: -ENOMEM, store.h. */
int replicator_new(const struct replicator_opts *opts, struct replicator **ret_replicator);

/* Waits for what runs on the pool; `done` comes from the loop, and all is freed then. */
void replicator_close(struct replicator *r, void (*done)(void *arg), void *arg);

void replicator_up(struct replicator *r, const struct uuid *peer);
void replicator_down(struct replicator *r, const struct uuid *peer);
void replicator_message(struct replicator *r, const struct uuid *peer, const void *message, size_t len);
void replicator_writable(struct replicator *r, const struct uuid *peer);
void replicator_committed(struct replicator *r); /* this device committed something */
/* The members, this device included, and the registers of all devices, encoded. */
void replicator_members(struct replicator *r, const struct uuid *members, size_t count, const void *registers, size_t len);

/* What the user wants of a peer: whether to exchange anything with it, and which kinds of its rows are taken. */
void replicator_set(struct replicator *r, const struct uuid *peer, const struct peer_settings *settings);

/* The same of this device: with nobody anything is exchanged; connections stay. */
void replicator_pause(struct replicator *r, bool paused);

/* Before a device is let in whose clock agrees with ours: stamps that ran ahead are repaired before it returns, which
 * is rare and takes a while. */
void replicator_clock_confirmed(struct replicator *r);

/* --- looking --- */

/* What is stored, as far as the core was told; borrowed until the next event. */
const struct vector *replicator_vector(const struct replicator *r);
enum core_state replicator_state(const struct replicator *r);
/* The peer as the core sees it. Errors: -ENOENT: it was not up since the start. */
int replicator_peer(const struct replicator *r, const struct uuid *peer, struct core_peer *ret_peer);
/* Its rows and this device's, as far as both are at the same positions. Errors: as before. */
int replicator_compare(const struct replicator *r, const struct uuid *peer, struct core_comparison *ret_comparison);
