/* A device's vector: what it holds of every stream, sorted by (device, epoch, kind). Threads: one at a time. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "sync/limits.h"
#include "sync/stream.h"

struct vector {
	struct stream *items; /* owned */
	size_t count;
	size_t capacity;
	uint64_t shared_digest; /* of all shared rows, read together with the positions (sync/digest.h) */
	uint64_t clock;		/* greatest stamp that this device gave or saw; private, not sent */
};

#define VECTOR_INIT ((struct vector){0})

void vector_release(struct vector *v);
void vector_clear(struct vector *v); /* memory kept */

/* Borrowed until the next change; NULL when there is none. */
struct stream *vector_find(const struct vector *v, const struct stream_id *id);

/* Adds or replaces. Errors: -ENOMEM, -ERR_TOO_LARGE. */
int vector_set(struct vector *v, const struct stream *s);

void vector_remove(struct vector *v, const struct stream_id *id); /* of one that is not there: nothing */

int vector_copy(const struct vector *from, struct vector *ret_to); /* ret_to is replaced. Errors: -ENOMEM */

/* The state stream of `kind` that counts for a device: the one of its latest epoch in the vector. NULL: none. */
const struct stream *vector_current(const struct vector *v, const struct uuid *device, uint8_t kind);

/* Whether some stream is of that origin, and of how many origins of the device there are some. */
bool vector_knows(const struct vector *v, const struct origin *origin);
size_t vector_lives(const struct vector *v, const struct uuid *device);

/* msgpack, grouped by origin. What is private to a device (head, base) is left out: of a state stream that is not whole
 * the position stays and `whole` does not. decode checks counts, kinds, doubles and order; state streams of
 * kinds that this version does not know are passed over; errors: -ERR_MALFORMED,
 * -ERR_TOO_LARGE, -ENOMEM. ret_v is replaced on success. */
void vector_encode(const struct vector *v, struct buf *b);
int vector_decode(struct cursor *c, struct vector *ret_v);
