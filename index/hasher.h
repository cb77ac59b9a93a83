/* Computes content ids in the background, on a thread of the lowest priority (nice 19, idle I/O class): it reads only
 * when nobody else wants the disk or the processor.
 *
 * It never writes the catalogue, as a thread of low priority must not hold the write gate: results are taken and
 * written by the index thread. What is to be done is in the rows (entry_list_unhashed), so it goes on after a restart;
 * a file that cannot be read is passed over until something about it changes, the next pass or the next start. If it
 * was an error that may pass, as of a disk that was away, passes follow by themselves: after a second, then after twice
 * as long each time, HASHER_RETRIES_MAX in all. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "store/store.h"

#define HASHER_RETRY_MS	   1000
#define HASHER_RETRIES_MAX 11 /* half an hour */

struct hasher;

struct hasher_opts {
	struct store *store;
	void (*wake)(void *arg);		   /* results are there, or it has become idle */
	void (*differs)(void *arg, int64_t entry); /* the file is not as its row says */
	void *arg;
};

/* Begins with a pass over all rows. */
int hasher_new(const struct hasher_opts *opts, struct hasher **ret_hasher);
void hasher_free(struct hasher *hasher); /* ends the thread. NULL does nothing */

/* An entry that may have no content id; it waits until `not_before_ms` (monotonic; 0 = at once). Asked for again, the
 * last time counts. Not more than a bound of them are kept; beyond it, a pass over all rows finds them. */
void hasher_add(struct hasher *hasher, int64_t entry, uint64_t not_before_ms);

/* Asks for a pass over all rows: files that could not be read may be there now. */
void hasher_pass(struct hasher *hasher);

/* Nothing is read while it pauses. */
void hasher_pause(struct hasher *hasher, bool pause);

struct hasher_result {
	int64_t entry;
	uint64_t size;
	int64_t mtime_ns;
	uint8_t content[HASH128_LEN];
};

/* Takes up to `max` results. When `eager`, or many wait, or the oldest has waited for half a second; else none. */
size_t hasher_take(struct hasher *hasher, bool eager, struct hasher_result *ret_results, size_t max);

/* When hasher_take has something: monotonic ms, UINT64_MAX = nothing waits. */
uint64_t hasher_due(struct hasher *hasher);

/* Nothing to do, and no result waits. */
bool hasher_is_idle(struct hasher *hasher);

uint64_t hasher_unhashed(struct hasher *hasher); /* files known to be without a content id */
