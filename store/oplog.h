/* The one path of every shared change, local or remote (design section 4): in one transaction append to the log, apply
 * to the tables, move the position. */
#pragma once

#include <stdint.h>

#include "store/store.h"
#include "sync/change.h"

/* A change made on this device: takes the next HLC and the next number of this device's stream. The set stays the
 * caller's. An empty set does nothing. Errors: as change_set_encode and store.h. */
int oplog_commit(struct txn *txn, const struct change_set *set);

/* Cuts what every member has acknowledged: on a library of one device, everything. Keeps the running hash at the cut.
 * Bulk; called by the store's own thread. */
int oplog_cut(struct txn *txn);

/* Verifies the log against the stream rows: numbers without holes, decodable records, running hash. `say` is called with
 * each finding (one line of text). Returns the number of findings or an error. */
int oplog_verify(struct db *db, void (*say)(void *arg, const char *finding), void *arg);
