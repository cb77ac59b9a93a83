/* Digests: sums, so that their order does not matter and a row is exchanged by taking the old away and adding the new
 * (design section 5). 64 bits; arithmetic wraps. They find faults, they do not stop a forger. Threads: any. */
#pragma once

#include <stdint.h>

#include "base/hash.h"
#include "sync/hlc.h"
#include "sync/row.h"

/* Of a live row of a state stream, all its fields and its version included; 0 for a tombstone or a doubtful row (version 0).
 * stream.digest is the sum over all rows of the device and kind. Entries of a deleted location count for nothing: keep a sum
 * for each location, so that deleting one stays one mark. */
uint64_t digest_row(const struct row *row);

/* Of one register of a shared row that was ever written (hlc not 0). The shared digest is the sum over all of them, of
 * tombstones too. `value` as in the change that wrote it. Device rows count 0: they run ahead of the log, as every Hello
 * brings all of them, and that reconciles them too. */
uint64_t digest_register(const struct model *model, const struct uuid key[MODEL_KEY_MAX], unsigned field,
			 const struct value *value, const struct stamp *stamp);
