/* Rows of device-owned kinds in the form in which they travel and are summed (sync/row.h, sync/digest.h). Internal to
 * store/.
 *
 * Whoever writes such a row keeps the digest of its stream: what the row was goes out before (owned_leave), what it is
 * comes in after (owned_enter). Entries are summed for each location, in its row, which an insert writes anyway; the
 * other kinds in the row of this device's stream, which takes the new version anyway. */
#pragma once

#include <stdint.h>

#include "store/db.h"
#include "sync/row.h"

/* A row from a statement whose columns are version, key parts and fields. Bytes are borrowed until the next step. */
void owned_take(sqlite3_stmt *stmt, const struct model *model, struct row *ret_row);

/* Of a row of this device, by its id in the table of its kind. A row that is not there counts for nothing. */
int owned_leave(struct txn *txn, enum model_kind kind, int64_t id);
int owned_enter(struct txn *txn, enum model_kind kind, int64_t id);
