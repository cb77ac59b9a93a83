/* A range: "all changes of a stream after `since`, up to `upto`": the one form in which changes travel, whether pushed
 * or asked for (design section 5). The body is made and read with sync/record.h (log) or sync/row.h (state).
 *
 * Plain values; the body is borrowed. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/limits.h"
#include "sync/stream.h"

#define RANGE_ROWS_PULL	 5000 /* what this device asks for at once: applying it is one short transaction */
#define RANGE_BYTES_PULL (512 * 1024)

struct range {
	struct stream_id stream;
	uint64_t started; /* as in struct stream */
	uint64_t since;
	uint64_t upto; /* log: since + number of records; state: version of the last row, or `head` in the last piece */
	uint64_t head; /* the server's position when this was cut; upto < head: there is more */
	uint64_t floor;		/* state: the server's purge floor. Log: 0 */
	bool listing;		/* state: a piece of the full list of rows, tombstones included, that began at 0 */
	uint8_t hash[HASH_LEN]; /* log: running hash at `since`. State: zeros */
	const uint8_t *body;	/* borrowed */
	size_t body_len;
};

/* What to read. `since` and the fields below it are the asker's: what it holds. */
struct range_request {
	struct stream_id stream;
	uint64_t since;
	uint64_t base;		/* state: stream.base of the asker */
	bool listing;		/* state: stream.listing of the asker */
	uint8_t hash[HASH_LEN]; /* log: the asker's running hash at `since`; zeros: not to be compared */
	uint32_t max_rows;	/* 1 to RANGE_ROWS_MAX */
	uint32_t max_bytes;	/* 1 to RANGE_BYTES_MAX: a range holds at least one record or row, whatever its size */
};

/* The rules of a body that follow from the range alone, all of them before any of it is stored: as many records as
 * said, or rows in order above `since` up to `upto`, each sound. Errors: -ERR_MALFORMED, -ERR_TOO_LARGE, -ENOMEM. */
int range_check(const struct range *range);
