/* The one path of every shared change, local or remote (design section 4): in one transaction append to the log, apply
 * to the tables, move the position. */
#pragma once

#include <stdint.h>

#include "store/store.h"
#include "sync/change.h"
#include "sync/hlc.h"

/* A place in the shared stream of an origin. */
struct oplog_position {
	uint64_t seq;
	uint64_t hlc;		/* of that record */
	uint8_t hash[HASH_LEN]; /* running hash at it */
	uint64_t digest;	/* what the origin's records up to it added to the digest of shared rows */
};

/* How far this device has come in the shared stream of `origin` (a row id); seq 0 and a hash of zeros at the start. */
int oplog_head(struct db *db, int64_t origin, struct oplog_position *ret_head);
/* Errors: -ENOENT: it is not in the log: cut, or not there yet. */
int oplog_at(struct db *db, int64_t origin, uint64_t seq, struct oplog_position *ret_position);

/* A change made on this device: takes the next HLC and the next number of this device's stream. The set stays the
 * caller's. An empty set does nothing. Errors: as change_set_encode and store.h. */
int oplog_commit(struct txn *txn, const struct change_set *set);

/* Appends a record that was just applied, behind `head`, which moves to it. What the change did to the digest of shared
 * rows is kept with the record. */
int oplog_append(struct txn *txn, int64_t origin, struct oplog_position *head, uint64_t hlc, const void *record, size_t len);

/* Adds what changed in the digest of shared rows without a record to the library's part of it. At the end of each
 * transaction, and before a record that it is no part of. */
int oplog_settle(struct txn *txn);

/* Records up to `upto` go; position, hash and digest at it are kept. Stops when the transaction should yield: 1 then, 0
 * when there is nothing left to do. */
int oplog_cut_to(struct txn *txn, int64_t origin, uint64_t upto);

/* Records behind `after` go, which becomes the end of the log; what they did to the rows stays. */
int oplog_truncate(struct txn *txn, int64_t origin, uint64_t after);

/* The log becomes empty and ends at `at`, further on; its digest stays. */
int oplog_adopt(struct txn *txn, int64_t origin, const struct oplog_position *at);

/* A change of this device made again with a present stamp: a register that still has the stamp `over` takes the new one,
 * whatever the order. */
int oplog_commit_again(struct txn *txn, const struct change_set *set, const struct stamp *over);

/* Cuts what every member has acknowledged: on a library of one device, everything. Keeps the running hash at the cut.
 * Bulk; called by the store's own thread. */
int oplog_cut(struct txn *txn);

/* Verifies the log against the stream rows: numbers without holes, decodable records, running hash. `say` is called with
 * each finding (one line of text). Returns the number of findings or an error. */
int oplog_verify(struct db *db, void (*say)(void *arg, const char *finding), void *arg);
