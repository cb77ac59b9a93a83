/* Epochs: the lives of this device's database. A device that was set back to an older state, or whose clock went
 * astray, begins a new one before it writes anything else, so that no number of a stream ever stands for two things
 * (design section 5, "Epochs"). */
#pragma once

#include <stdint.h>

#include "store/store.h"

/* Begins a new epoch of this device inside the transaction: a new origin with a random epoch, begun now, after `after` and
 * after the old one. The clock takes no note of that. What the transaction writes from here on belongs to it; the old
 * origin's log stays as history. Its streams:
 *
 *     log      from record 1 on
 *     state    the rows, their versions, the purge floor and the sum go on as they are, so the old streams go; others ask
 *              for a full list, as the stream is new to them
 *
 * Entry numbers skip far ahead, as those after the state that was restored were given to other files before.
 * store_info()->epoch changes with the commit, on this thread: others read it afresh. */
int epoch_begin(struct txn *txn, uint64_t after);

/* The same after an older state was found here: `least_hlc` is the greatest stamp that this device is known to have given
 * or seen (0: none is known). The clock goes on after it. */
int store_new_epoch(struct txn *txn, uint64_t least_hlc);
