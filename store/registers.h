/* The shared rows of the catalogue as registers (sync/registers.h): read into pieces, and merged from them. What Hello
 * (all devices) and snapshots (all kinds) are made of (design section 5, "Membership", "Snapshot").
 *
 * Reading and merging are inverse: a device that merged all pieces of another holds, of each register, the newer of
 * both. Merging is idempotent and needs no order. */
#pragma once

#include <stdint.h>

#include "store/store.h"
#include "sync/model.h"
#include "sync/registers.h"

#define REGISTERS_OF(kind) (UINT32_C(1) << (kind))
#define REGISTERS_ALL	   UINT32_MAX /* every shared kind */

/* Where reading goes on: all zero is the beginning. It stays good from one transaction to the next; what is written
 * meanwhile may be in the pieces or not, so a snapshot takes its vector before the first piece, and the log after that
 * vector holds the rest. */
struct registers_cursor {
	unsigned kind; /* which of the kinds */
	int64_t at[3]; /* the key of the last row */
};

/* Reads rows of `kinds` (REGISTERS_OF, or-ed) with all their stamps into ret_registers, which must be empty, until they
 * would take more than `max_bytes` encoded (at least REGISTERS_ROW_MAX), tombstones included.
 * Returns 0 (there is more) or 1 (that was all). Errors: store.h. */
int registers_read(struct db *db, uint32_t kinds, size_t max_bytes, struct registers_cursor *cursor,
		   struct registers *ret_registers);

/* Merges register by register, by the rule of apply.h, publishes what became different, and takes note of the stamps.
 * `merged`: how many of them are done with, 0 at first. Returns 0, or 1 when the slice ends before all are: then it is
 * to be called again in another transaction. Errors: -ERR_AHEAD (a stamp is too far ahead of this device's clock;
 * nothing is merged), -ERR_MALFORMED (a device whose id is not that of its key, a favorite in another collection). */
int registers_merge(struct txn *txn, const struct registers *registers, size_t *merged);
