/* The outboxes (mount/outbox.h) of all peers: messages go in order, as fast as the node takes them and a peer's limit allows.
 *
 * Who fills them bounds what is on its way to one peer, so they are small; a connection that loses a message, as its outbox
 * grew beyond OUTBOX_BYTES or it could not be sent, is ended. Threads: the loop's. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/uuid.h"

struct correspondent;

struct outboxes {
	struct correspondent *first;
	uv_timer_t pace; /* of limits */
	/* Borrowed from who owns them; called on the loop. */
	int (*send)(void *arg, const struct uuid *peer, const void *message, size_t len); /* as node_send */
	void (*close)(void *arg, const struct uuid *peer);				  /* ends the connection */
	void *arg;
};

/* The calls are set by the owner before. */
void outboxes_init(struct outboxes *o, uv_loop_t *loop);

/* `closed` is called for the timer's handle, on the loop; then outboxes_release. */
void outboxes_close(struct outboxes *o, void (*closed)(uv_handle_t *handle), void *data);
void outboxes_release(struct outboxes *o);

void outboxes_put(struct outboxes *o, const struct uuid *peer, struct buf *bytes); /* takes over the bytes */
void outboxes_flush(struct outboxes *o, const struct uuid *peer);		   /* the node takes more */
void outboxes_clear(struct outboxes *o, const struct uuid *peer);		   /* the connection came or went */
void outboxes_came(struct outboxes *o, const struct uuid *peer, size_t bytes);	   /* from the peer: limits count both ways */
void outboxes_limit(struct outboxes *o, const struct uuid *peer, uint64_t limit_bytes);
