/* Epochs: the lives of this device's database. A device that was set back to an older state, or whose clock went
 * astray, begins a new one before it writes anything else, so that no number of a stream ever stands for two things
 * (design section 5, "Epochs"). */
#pragma once

#include <stdint.h>

#include "store/store.h"

/* Begins a new epoch of this device inside the transaction: a new origin with a random epoch, begun at a stamp above
 * `least_hlc` (0: none is known) and above every one that the database holds. What the transaction writes from here on
 * belongs to it; the old origin stays as history. Its streams:
 *
 *     log      from record 1 on
 *     state    the rows keep their versions, so the counters go on; the purge floor is at the beginning of the epoch,
 * so whoever asks from below it is answered by `reset`
 *
 * Entry numbers skip far ahead, as those after the state that was restored were given to other files before.
 * store_info()->epoch changes with the commit, on this thread: others read it afresh. */
int store_new_epoch(struct txn *txn, uint64_t least_hlc);
