/* The one path of every shared change, local or remote (design section 4): in one transaction append to the log, apply
 * to the tables, move the position. */
#pragma once

#include <stdint.h>

#include "store/store.h"
#include "sync/change.h"

/* A place in the shared stream of an origin. */
struct oplog_position {
	uint64_t seq;
	uint64_t hlc;		/* of that record */
	uint8_t hash[HASH_LEN]; /* running hash at it */
};

/* How far this device has come in the shared stream of `origin` (a row id); seq 0 and a hash of zeros at the start. */
int oplog_head(struct db *db, int64_t origin, struct oplog_position *ret_head);
/* Errors: -ENOENT: it is not in the log: cut, or not there yet. */
int oplog_at(struct db *db, int64_t origin, uint64_t seq, struct oplog_position *ret_position);

/* A change made on this device: takes the next HLC and the next number of this device's stream. The set stays the
 * caller's. An empty set does nothing. Errors: as change_set_encode and store.h. */
int oplog_commit(struct txn *txn, const struct change_set *set);

/* Cuts what every member has acknowledged: on a library of one device, everything. Keeps the running hash at the cut.
 * Bulk; called by the store's own thread. */
int oplog_cut(struct txn *txn);

/* Verifies the log against the stream rows: numbers without holes, decodable records, running hash. `say` is called with
 * each finding (one line of text). Returns the number of findings or an error. */
int oplog_verify(struct db *db, void (*say)(void *arg, const char *finding), void *arg);
