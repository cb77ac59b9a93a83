/* Every size and count of replication that a member can reach for, in one place (those of connections: net/limits.h).
 *
 * A member that goes beyond one of them breaks the rules: what it sent is not taken, it is refused for a while, and an
 * event names it. They are far above what a device comes to: whoever is honest and reaches one finds out at home, where
 * that can be, before anybody refuses it. */
#pragma once

#include <stdint.h>

/* One range */
#define RANGE_ROWS_MAX	10000		  /* records or rows */
#define RANGE_BYTES_MAX (2 * 1024 * 1024) /* of an encoded body; a record (CHANGE_RECORD_MAX) always fits */

/* All ranges of a stream that one peer gives until the end is reached, and all pieces of one snapshot: a range is up to
 * RANGE_ROWS_MAX rows, so an owner that changes faster than this device takes it meets this after tens of millions */
#define PIECES_MAX 16384

/* All that a device owns, tombstones and what was only named by others included */
#define OWNER_LOCATIONS_MAX 4096
#define OWNER_ENTRIES_MAX   (UINT64_C(1) << 26)
#define OWNER_AUDIT_MAX	    100000 /* 10,000, and tombstones while a member is away */
#define OWNER_VOLUMES_MAX   4096

/* Lives of the database of one device, each a new log: it is restored from a backup that often */
#define LIVES_MAX 64

/* All streams of which a device has something: a few kinds for each origin that ever was */
#define VECTOR_STREAMS_MAX 4096
#define ORIGINS_MAX	   (VECTOR_STREAMS_MAX / 2) /* logs that come without having been asked for are left out then */
