/* Streams and how far a device has come in them (design section 5).
 *
 * An origin is a device in one life of its database. It has one log (its shared changes 1, 2, 3 ... without holes, with a
 * running hash) and one state stream for each device-owned kind (its rows, each with the version that last changed it).
 * Plain values. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/uuid.h"

#define STREAM_LOG 0 /* `kind` of a log; state streams have the number of their model */

struct origin {
	struct uuid device;
	uint64_t epoch; /* random; 63 bits */
};

struct stream_id {
	struct origin origin;
	uint8_t kind; /* STREAM_LOG, or an enum model_kind with MODEL_OWNED */
};

/* What a device holds of one stream. All of it is stored, in the transaction that stores the records or rows.
 *
 * Log: the records 1 to `position`, of which those up to `floor` are cut away.
 *
 * State: rows up to version `position`. Rows are overwritten in place, so pieces that are read one after the other are
 * together right only when nothing newer than the last piece was seen while they were read: `head` is the highest head of
 * the owner that came with a piece, and the stream is *whole* when position has reached it (and it is not being listed):
 * then it is exactly the owner's rows at version `position`. */
struct stream {
	struct stream_id id;
	uint64_t started; /* HLC of the origin's first moment: epochs of a device are ordered by it, then by number */
	uint64_t position;
	uint64_t hlc;		 /* log: of the record at position; 0 at position 0 */
	uint8_t hash[HASH_LEN];	 /* log: running hash at position; zeros at 0 */
	uint64_t head;		 /* state: see above; for the owner always its position */
	uint64_t base;		 /* state: the last whole position; while listing: the lowest head that came with a piece. Tombstones
				  * that the owner purged at or below it cannot be missing here */
	uint64_t floor;		 /* log: records up to here are cut; state: tombstones up to here are purged somewhere */
	uint64_t digest;	 /* state: sum over the live rows (sync/digest.h); tells something only while whole */
	bool listing;		 /* state: a full list is being received; what it lacks is swept when it is whole */
};

int origin_cmp(const struct origin *a, const struct origin *b);
int stream_id_cmp(const struct stream_id *a, const struct stream_id *b);

/* Whether the rows are exactly the owner's at `position`. Always true of a log. Only such a stream is served on, compared by
 * digest, acknowledged, and purged. */
bool stream_is_whole(const struct stream *s);

/* A stream that a device has nothing of: position 0, for state kinds to be listed. */
struct stream stream_none(const struct stream_id *id, uint64_t started);
