/* A write transaction from the inside: internal to store/. Made by store_write() on the stack of its caller, so nothing
 * in it outlives a commit or a rollback: counters that were not written are gone with it.
 *
 * Threads: the one that holds the write gate. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/db.h"
#include "store/store.h"
#include "sync/hlc.h"

#define TXN_KIND_FIRST 16 /* the first device-owned kind of sync/model.h */
#define TXN_KINDS      8

/* A slice: what replication and keeping house do in one transaction, so that nobody interactive waits for them for long.
 * What is left to do must follow from the tables: the process may end between two slices. */
#define SLICE_ROWS 2000 /* rows written, at most; about 20 ms */
#define SLICE_STEP 64	/* and whoever waits is looked for after so many */

/* A counter of the database that is read once, counted in memory and written at commit. */
struct txn_counter {
	bool loaded;
	bool changed;
	int64_t value;
	uint64_t digest; /* of streams: sum over the rows, but for entries */
};

/* The location that was used last. Its fields but `next_seq` never change within a transaction: whoever deletes a
 * location calls txn_location_drop. */
struct txn_location {
	int64_t id; /* 0: none */
	uint64_t prefix;
	bool deleted;
	bool self; /* of this device */
	struct txn_counter next_seq; /* its digest is the location's */
};

/* The parent of the entry that was written last. */
struct txn_parent {
	int64_t id; /* 0: none */
	uint64_t seq;
};

/* What changed so far, packed (see notice.c). */
struct notices {
	struct buf records;
	size_t count;
	uint64_t last_listing; /* the parent, while the last notice is a LISTING; else 0 */
};

struct txn {
	struct store *store;
	struct db *db; /* the write connection */
	enum store_priority priority;
	bool kernel_knows;
	bool collects;	   /* somebody subscribes to notices */
	bool members;	   /* rows of devices were written */
	uint64_t began_ns; /* monotonic */
	uint64_t now_ms;   /* wall clock */
	unsigned sliced;   /* rows of bulk work done, of SLICE_ROWS */
	struct txn_counter versions[TXN_KINDS];
	struct txn_location location;
	struct txn_parent parent;
	uint64_t shared_delta; /* what changed in the digest of shared rows and is in no record of the log yet */
	bool members_changed;  /* a device row was written */
	struct notices notices;
	uint64_t clock_before; /* not 0: the clock was set back from this, which a rollback undoes */
	int64_t new_origin; /* row of the epoch that this transaction began; 0: none */
	uint64_t new_epoch;
};

/* The clock of this device's shared changes, kept by the store across transactions and guarded by the gate. It is the
 * greatest stamp in the database at open; a rollback leaves it where it is, as stamps need only grow. */
struct hlc *txn_hlc(struct txn *txn);

/* A location of any device by id. Borrowed until the next call that takes a transaction. Errors: -ENOENT. */
int txn_location(struct txn *txn, int64_t id, struct txn_location **ret_location);
int txn_location_drop(struct txn *txn); /* writes its counter and forgets it */

/* Adds to the digest of the location's entries. */
int txn_location_digest(struct txn *txn, int64_t id, uint64_t delta);

/* Adds to the digest of this device's stream of a kind other than entries; within a change that takes a version. */
int txn_stream_digest(struct txn *txn, int kind, uint64_t delta);

/* The number of an entry that is a parent. Errors: -ENOENT. */
int txn_parent_seq(struct txn *txn, int64_t id, uint64_t *ret_seq);

/* After `rows` more of them: whether the slice ends, as it is full, takes long (STORE_BULK_MS) or is waited for. */
bool txn_slice_ends(struct txn *txn, unsigned rows);

/* Writes all counters. */
int txn_flush(struct txn *txn);
