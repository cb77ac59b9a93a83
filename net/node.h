/* This device in the network of one library: it listens, keeps a connection to each member that can be reached, and
 * refuses everybody else.
 *
 * A member is named by its device id, which follows from its key. Between `up` and `down` of a device, messages travel
 * in order over one connection, in both directions; what was sent and not received at `down` is lost. When both sides
 * dial at once, the connection whose initiator has the lower static key is kept (protocols 1.3); the other one waits
 * for it without being up, and is let in only if it fails. A later connection replaces one that is up when it comes
 * from another life of the peer, or is a newer dial of the same one.
 *
 * Events come from the loop and from node_set_members (`down`); all functions may be called within them.
 * What strangers can cost is bounded by net/limits.h, and counted instead of logged (node_refusals).
 * Threads: the loop's. base_init() comes first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/key.h"
#include "base/uuid.h"
#include "net/link.h"

struct node;

struct node_up {
	const char *address; /* "ADDRESS:PORT" of the peer; where it can be dialled, if `initiated` */
	bool initiated;	     /* by this side */
};

struct node_events { /* any may be NULL */
	void (*up)(void *arg, const struct uuid *device, const struct node_up *info);
	/* `message` is borrowed until it returns; never empty. */
	void (*message)(void *arg, const struct uuid *device, const uint8_t *message, size_t len);
	void (*writable)(void *arg, const struct uuid *device); /* after -EAGAIN of node_send */
	/* The reasons of link_events.ended; and -ECONNABORTED: another connection took its place, -EACCES: not a
	 * member any more. Not after node_close. */
	void (*down)(void *arg, const struct uuid *device, int reason);
	/* Somebody wants to pair: the preamble has been read, and nothing behind it. Returns 0 when it has taken over
	 * `tcp`, which is closed with uv_close and then freed with free; or a negative errno to refuse. */
	int (*pairing)(void *arg, uv_tcp_t *tcp);
	/* Two live processes use this member's key: a life of it came back after another had taken its place. */
	void (*clone)(void *arg, const struct uuid *device);
};

struct node_opts {
	const uint8_t *secret;	       /* KEY_SECRET_LEN bytes, copied */
	struct uuid library;	       /* others get no answer */
	const struct sockaddr *listen; /* NULL: all addresses, IPv6 and IPv4, at `port` */
	uint16_t port;		       /* 0: any */
	struct link_limits limits;     /* 0: the defaults */
	const struct node_events *events;
	void *arg;
};

/* Errors: -ENOMEM, -ERR_MALFORMED (no X25519 secret), -EADDRINUSE and other errno of listening. */
int node_open(uv_loop_t *loop, const struct node_opts *opts, struct node **ret_node);

uint16_t node_port(const struct node *node);

/* The members from now on, by their static public keys; this device's own may be among them. Who is no longer there is
 * cut at once and refused. Errors, after which some are members and some are not yet: -ENOMEM, -ERR_TOO_LARGE
 * (KEYRING_PEERS_MAX), -ERR_MALFORMED (a key of small order). */
int node_set_members(struct node *node, const uint8_t (*keys)[KEY_PUBLIC_LEN], size_t count);

/* "host:port", tried at once and whenever the device is not connected. Errors: -ENOENT (no member), -EEXIST,
 * -ERR_MALFORMED. */
int node_add_address(struct node *node, const struct uuid *device, const char *address);

int node_remove_address(struct node *node, const struct uuid *device, const char *address); /* Errors: -ENOENT */

/* Somebody claims that the device is there: dials at once, if it is not connected. Errors: -ENOENT, and of dialer_hint
 * (net/dialer.h): most hints come to nothing. */
int node_hint(struct node *node, const struct uuid *device, const struct sockaddr *address);

void node_network_changed(
    struct node *node); /* dials all who are not connected, and doubts the connections there are */

/* Errors: -ENOTCONN (also: no member), and those of link_send. */
int node_send(struct node *node, const struct uuid *device, const void *message, size_t len);

/* Ends the connection, behind a goodbye and without `down`; it is dialled again by the usual rules. Errors: -ENOTCONN. */
int node_drop(struct node *node, const struct uuid *device);

struct node_info {
	bool connected;
	bool initiated;			 /* while connected, as the next two */
	char address[NODE_ADDRESS_TEXT]; /* also of the last connection */
	uint32_t round_trip_us;		 /* 0: not known */
	uint64_t queued_bytes;
	uint64_t bytes_in, bytes_out; /* since it became a member */
	uint64_t since_ms;	      /* of the last change between connected and not; wall clock; 0: never */
	uint64_t last_seen_ms;	      /* heard something, wall clock; 0: never */
};

int node_info(const struct node *node, const struct uuid *device, struct node_info *ret_info); /* Errors: -ENOENT */

struct node_refusals {		/* since node_open */
	uint64_t accepted;	/* connections in all, refused or not */
	uint64_t source_full;	/* NODE_HALF_OPEN_SOURCE */
	uint64_t evicted;	/* NODE_HALF_OPEN_MAX */
	uint64_t not_ours;	/* no preamble of ours, or pairing that nobody wanted */
	uint64_t not_member;	/* no handshake that a member of this library could have made */
	uint64_t too_slow;	/* no greeting in time; replays end here */
	uint64_t accept_errors; /* EMFILE and the like: pauses */
};

void node_refusals(const struct node *node, struct node_refusals *ret_refusals);

/* Says goodbye to everybody, and takes the node; `done` (may be NULL) comes when all is freed. A look-up of a name that
 * is on may keep the loop, not the node, a little longer. */
void node_close(struct node *node, void (*done)(void *arg), void *arg);
