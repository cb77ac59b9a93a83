/* Who has what: for each member the acknowledged position in each stream, as far as known. Told on from device to
 * device; the greatest is kept, so it may come late, twice or in any order. An acknowledgement means: applied and
 * durable there. Losing them loses nothing but time (they are kept in sync.db).
 *
 * Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "sync/vector.h"

#define ACKS_MAX 65536 /* members times streams */

struct ack {
	struct uuid member;
	struct stream_id stream;
	uint64_t position; /* log: sequence; state: a whole position */
	uint64_t hlc;	   /* log: of that record; tells two histories of one origin apart */
	uint64_t revision; /* private: acks.revision when it became known */
};

struct acks {
	struct ack *items; /* owned; sorted by member, stream */
	size_t count;
	size_t capacity;
	uint64_t revision; /* grows with each news, so that what is new to a peer can be told */
};

#define ACKS_INIT ((struct acks){0})

void acks_release(struct acks *a);

/* Keeps the greater position. Returns 1 when it is news, 0 when not. Errors: -ENOMEM, -ERR_TOO_LARGE. */
int acks_note(struct acks *a, const struct ack *ack);

/* What a member acknowledges by holding the stream: a log, or a state stream that is whole there. As acks_note. */
int acks_note_stream(struct acks *a, const struct uuid *member, const struct stream *s);

uint64_t acks_position(const struct acks *a, const struct uuid *member,
		       const struct stream_id *stream); /* 0: unknown */

/* The greatest position that anybody but `self` has acknowledged; borrowed. NULL: nobody has anything. */
const struct ack *acks_greatest(const struct acks *a, const struct stream_id *stream, const struct uuid *self);

/* Forgets those that `keeps` denies. */
void acks_keep(struct acks *a, bool (*keeps)(const void *arg, const struct ack *ack), const void *arg);

/* msgpack. decode: ret_a is replaced on success. Errors: -ERR_MALFORMED, -ERR_TOO_LARGE, -ENOMEM. */
void acks_encode(const struct acks *a, struct buf *b);
int acks_decode(struct cursor *c, struct acks *ret_a);
