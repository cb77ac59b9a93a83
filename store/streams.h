/* Origins, and how far this device has come in their streams (sync/stream.h), as they are stored. Internal to store/.
 *
 * A log is what `origin` and `log` say. A state stream is a row of `stream`; for this device's own, the position alone
 * counts: it always holds all of its own rows. */
#pragma once

#include <stdint.h>

#include "store/db.h"
#include "sync/vector.h"

struct streams_origin {
	int64_t id;
	uint64_t started;
};

/* Errors: -ENOENT. */
int streams_find_origin(struct db *db, const struct origin *origin, struct streams_origin *ret_origin);

/* Finds or makes it. A new one begins at `started`. */
int streams_take_origin(struct txn *txn, const struct origin *origin, uint64_t started, int64_t *ret_id);

/* Whether the origin is known or may become so (sync/limits.h: LIVES_MAX, ORIGINS_MAX): 1 or 0. */
int streams_has_room(struct db *db, const struct origin *origin);

/* The row of a device. Errors: -ENOENT. */
int streams_find_device(struct db *db, const struct uuid *device, int64_t *ret_id);

/* The same; one that nothing is known of yet becomes a row without a name, which is no member. */
int streams_take_device(struct txn *txn, const struct uuid *device, int64_t *ret_id);

/* One stream. Errors: -ENOENT. */
int streams_get(struct db *db, const struct stream_id *id, struct stream *ret_stream);

/* All of them, with the digest of shared rows and the clock; within db_begin. ret_vector is replaced. */
int streams_list(struct db *db, struct vector *ret_vector);

/* Stores a state stream of another device. */
int streams_put(struct txn *txn, int64_t origin, const struct stream *stream);
