/* Messages that wait for one peer, in order, and how fast they may go.
 *
 * A limit counts what goes both ways: what came from the peer holds back what goes to it, and with that what it is asked
 * for. Half a second's worth may go at once. A step machine: the time is passed in, monotonic. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define OUTBOX_BYTES (32 * 1024 * 1024)

struct parcel;

struct outbox {
	struct parcel *first, **last;
	size_t bytes;
	uint64_t limit_bytes; /* a second; 0: none */
	int64_t allowance;    /* bytes that may go now; below zero: too much has gone */
	uint64_t refilled_ms;
};

void outbox_init(struct outbox *box);
void outbox_clear(struct outbox *box); /* the limit stays */
void outbox_limit(struct outbox *box, uint64_t limit_bytes, uint64_t now_ms);

/* Takes over the bytes. Errors: -ENOBUFS (OUTBOX_BYTES would wait), -ENOMEM. */
int outbox_put(struct outbox *box, struct buf *bytes);
const struct buf *outbox_first(const struct outbox *box); /* borrowed; NULL: nothing waits */
void outbox_drop(struct outbox *box);			  /* the first one */

/* 0: the next message may go now; else in so many milliseconds. */
uint64_t outbox_wait_ms(struct outbox *box, uint64_t now_ms);
void outbox_count(struct outbox *box, size_t bytes); /* that went or came */
