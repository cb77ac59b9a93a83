/* One encrypted connection between two members: TCP, preamble, Noise KK, then frames (net/frame.h), on libuv.
 *
 *      initiator                        responder
 *      PREAMBLE, KK message 1    ->               found by trial over the keyring; an unknown key gets no byte
 *                                <-     KK message 2
 *      GREETING                  ->               the first proof that message 1 was no replay: up
 *                                <-     GREETING  up
 *
 * A greeting is a frame: which life of the sender's process this is (instance), and the number of this dial in it. So
 * `up` on either side means that the other side has proven its key in this very connection, and that the responder's
 * owner has agreed (may_greet). Afterwards messages
 * travel both ways; empty ones only keep the connection alive and are not delivered. Either side ends it with the
 * goodbye frame; anything else is a cut, and is reported as one.
 *
 * Events come from the loop, never from within a function called here. Exactly one `ended`, unless the owner has
 * called link_close or link_abort before; exactly one `gone`, the last one, after which the link's memory is freed
 * (nothing else frees it). Every function but these two may be called, and does nothing useful, between the end and
 * `gone`. All functions may be called within events, and calling link_close or link_abort there is fine.
 *
 * Memory: at most queue_bytes and one message towards the peer, one message and its compressed form from it.
 * Threads: the loop's. base_init() comes first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/key.h"
#include "base/uuid.h"
#include "net/keyring.h"
#include "net/limits.h"
#include "net/preamble.h"

#define LINK_INSTANCE_LEN 8
#define LINK_PROLOGUE_LEN (PREAMBLE_LEN + UUID_LEN)

struct link;

struct link_events {
	/* The initiator has proven its key, and waits for our greeting. False: it goes on waiting, until link_release
	 * or the time limit of the handshake. */
	bool (*may_greet)(void *arg, struct link *link);
	void (*up)(void *arg, struct link *link);
	/* Borrowed until it returns; never empty. */
	void (*message)(void *arg, struct link *link, const uint8_t *message, size_t len);
	void (*writable)(void *arg, struct link *link); /* after -EAGAIN: less than half is queued */
	/* 0: the peer said goodbye. -ECONNRESET: cut. -ETIMEDOUT: handshake too slow, or nothing heard. -ENOBUFS: the
	 * peer does not read. -ERR_WRONG_KEY, -ERR_MALFORMED, -ERR_TOO_LARGE: what it sent. Or an errno of the network.
	 */
	void (*ended)(void *arg, struct link *link, int reason);
	void (*gone)(void *arg, struct link *link);
};

struct link_limits { /* 0 stands for the default in net/limits.h */
	uint32_t handshake_ms;
	uint32_t heard_ms;
	uint32_t probe_ms;
	uint32_t late_ms;
	uint32_t keepalive_ms;
	uint32_t stall_ms;
	uint32_t goodbye_ms;
	size_t queue_bytes;
};

/* What the links of one library share. They borrow it: it must outlive `gone` of the last one. */
struct link_context {
	uv_loop_t *loop;
	const struct keyring *ring; /* borrowed; may change at any time */
	const struct link_events *events;
	void *arg;
	struct link_limits limits;
	uint64_t dials; /* so far */
	uint8_t prologue[LINK_PROLOGUE_LEN];
	uint8_t instance[LINK_INSTANCE_LEN]; /* random, of this context */
	uint8_t *read_buffer;		     /* LINK_READ_BYTES */
};

/* `limits` may be NULL. Errors: -ENOMEM. */
int link_context_init(struct link_context *ctx, uv_loop_t *loop, const struct keyring *ring, const struct uuid *library,
		      const struct link_limits *limits, const struct link_events *events, void *arg);
void link_context_release(struct link_context *ctx);

/* Dials the peer `index` of the ring. Whatever goes wrong later, even at once, is an event. Errors: -ENOMEM. */
int link_dial(struct link_context *ctx, size_t index, const struct sockaddr *address, void *owner,
	      struct link **ret_link);

/* Answers on a connection whose preamble has been read. Takes over `tcp` on success only: memory of malloc, that
 * nothing reads from. It was accepted at `since_ms` of the loop's time. Errors: -ENOMEM. */
int link_accept(struct link_context *ctx, uv_tcp_t *tcp, uint64_t since_ms, void *owner, struct link **ret_link);

/* The message is encrypted at once, so the caller may change it. Errors: -EAGAIN (the queue is full: wait for
 * `writable`), -ENOTCONN (not up), -EINVAL (empty), -ERR_TOO_LARGE (beyond FRAME_MESSAGE_MAX_BYTES); -ENOMEM and other
 * errors end the link as well, with an event. */
int link_send(struct link *link, const void *message, size_t len);

void link_close(struct link *link); /* says goodbye behind what is queued; gone after goodbye_ms at the latest */
void link_abort(struct link *link); /* cuts, without a word */
void link_probe(struct link *link); /* ends in probe_ms unless something is heard */

void link_release(struct link *link); /* greets now; not from within may_greet */

/* While greeting or up, and later: */
void *link_owner(const struct link *link);
bool link_is_up(const struct link *link);
bool link_has_greeted(const struct link *link);	       /* an initiator that has: the peer may think that it is up */
bool link_is_held(const struct link *link);	       /* may_greet said no */
bool link_initiated(const struct link *link);	       /* by this side */
uint64_t link_serial(const struct link *link);	       /* the initiator's number of it; once up */
const uint8_t *link_peer_key(const struct link *link); /* KEY_PUBLIC_LEN bytes, borrowed; NULL while not known */
const uint8_t *link_peer_instance(const struct link *link); /* LINK_INSTANCE_LEN bytes, borrowed; once up */

struct link_stats {
	uint64_t bytes_in, bytes_out; /* on the wire, without TCP and IP */
	uint64_t queued_bytes;
	uint64_t heard_ms;	/* when, in the loop's time */
	uint32_t round_trip_us; /* 0: not known */
};

void link_stats(const struct link *link, struct link_stats *ret_stats);

/* "ADDRESS:PORT" of the other end; empty when it is gone. */
void link_address(const struct link *link, char ret_text[NODE_ADDRESS_TEXT]);
