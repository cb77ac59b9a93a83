/* The digests that are kept, counted anew from the rows: what `shelf check` compares, and mends. Internal to store/. */
#pragma once

#include <stdint.h>

#include "store/db.h"
#include "sync/stream.h"

/* Over all shared rows. */
int recount_shared(struct db *db, uint64_t *ret_digest);

/* Over the rows of a state stream that is whole. With a transaction also writes what it counted, if that differs.
 * Reads all its rows: not for hot paths. */
int recount_stream(struct db *db, struct txn *txn, const struct stream *stream, uint64_t *ret_digest);
