/* The contract of a replica: what the replication core (sync/core.h) needs from whoever stores a library. The store
 * implements it over SQLite, the simulation in memory.
 *
 * The core never calls these: it asks for them as effects, whoever drives it calls them (reads on any thread with its
 * own snapshot of the database, the others through the write gate at bulk priority) and hands the result back as an
 * event. What is done is durable on return. A call that writes much does it in slices, each a transaction, and lets
 * interactive writers go between them; what is left follows from what is stored, so a slice that is never done, as the
 * process ended, is done after the next call. A call that takes long stops: apply after a part of the range, as the
 * stream that it returns says; cut and purge are asked for again.
 *
 * Errors common to all: -ENOMEM, -EIO, -ENOSPC, -ERR_CORRUPT: the core stops for a while and tries again.
 * Threads: as the implementation says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "sync/range.h"
#include "sync/vector.h"

/* --- reading ---
 *
 * read: the changes after request->since, in one read transaction. The range's header is put into *ret_range, its
 * body is appended to `ret_body` (range.body is not set: the caller does, when the buffer is final).
 *
 * -ENOENT: no such stream here; also a state stream of an epoch that a later one of its device has replaced.
 *
 * Of a log: records since + 1, since + 2 ...; range.hash is the running hash at `since`, head the position.
 *   - since < floor: -ERR_CUT. The records are gone: the asker needs another server or a snapshot.
 *   - since > position: -ERR_STALE. Nothing to give.
 *   - another running hash at `since` than the asker's: -ERR_FORKED. Two histories of one origin.
 * The hash is wanted at any position of the log, so it is best kept beside each record.
 *
 * Of a state stream: rows with version > since in the order of versions, tombstones included, cut between rows.
 *   - Not whole here, or since > position: -ERR_STALE.
 *   - Every range carries head (the position) and floor. In the last piece upto = head, even if the last row's
 *     version is lower. An asker that is at the head gets an empty range: it tells it that it is whole.
 *   - floor > request->base: the asker may have missed a tombstone that is purged. The answer begins a full list:
 *     since 0, listing. Asked with `listing`, or from 0, the answer is a piece of the list: listing is set.
 *
 * --- applying ---
 *
 * apply: checks everything, stores what is above this device's position, moves the position: in one transaction.
 * An origin or stream that is not known yet begins with stream_none(); its `started` comes from the range.
 * -ERR_MALFORMED and -ERR_TOO_LARGE: the sender breaks the rules. The rules of the range alone (range_check) and whose
 * locations they are come first: then nothing of it is stored. What only the rows together show (a limit of
 * sync/limits.h, -ERR_ORPHANS) ends it with the slice that shows it; what earlier slices stored stays.
 *
 * Of a log:
 *   - position < since: -ERR_STALE. position >= upto: nothing to do, success.
 *   - The running hash is rolled from range.hash over the records; where it comes by this device's position it
 *     must be this device's: -ERR_FORKED. As many records as upto - since: else -ERR_MALFORMED.
 *   - Each record above the position: change_set_decode; its HLC greater than that of the one before:
 *     -ERR_MALFORMED.
 *   - A record more than HLC_AHEAD_MAX_MS ahead of now_ms: those before it are applied, it and the rest are held:
 *     applied.held_hlc. That is no error.
 *   - The others: appended to the log, the change set applied with stamp (hlc, origin.device), the clock observes
 *     it.
 *
 * Of a state stream:
 *   - A later epoch of the device, by (started, epoch), has this kind here; or the device is this one: -ERR_STALE.
 *   - The first range of a later epoch replaces the older one's stream of that kind; its rows stay, until the list
 *     is whole.
 *   - range.listing: since 0 begins a list, also anew: position 0, head 0, base = range.head, listing. Else the
 *     stream must be listing, at position since: -ERR_STALE.
 *   - Not range.listing: the stream must not be listing, and position >= since: -ERR_STALE. A whole stream with
 *     position >= upto: nothing to do, success.
 *   - Rows: versions > since that grow, up to upto; if upto < head the last one is upto: else -ERR_MALFORMED. A
 *     location that belongs to another device, an entry of another device's location: -ERR_MALFORMED.
 *   - A row is stored when its version is greater than the stored one's, in a list always. Entries of a deleted
 *     location are passed over; deleting one takes its entries along. One that is there again has none: the device's
 *     entries are listed anew, as some may have been passed over. A parent that is not there is a stub: no name,
 *     version 0.
 *   - In a list: stored rows of the device with since < version <= upto that the piece does not hold become
 *     doubtful: version 0. They may come later in the list, and keep their ids.
 *   - floor = max(floor, range.floor), head = max(head, range.head), position = max(position, upto). While
 *     position < head: base = min(base, range.head).
 *   - position has reached head: base = position. If it was a list: rows of the device that are doubtful, or above
 *     head, are swept, and listing ends; until then it is listing at its head, and whoever asks again gets on with it.
 *   - Live entries whose parent is not there when the position has reached head: in a list -ERR_ORPHANS; else they
 *     are listed anew. No owner has such rows, but one that removes a location while it is listed leaves them behind,
 *     until that is heard of, too: the list stays at its head, to be gone on with by an empty range.
 *   - One device has no more rows, tombstones and stubs included, than sync/limits.h allows: -ERR_TOO_LARGE.
 *   - The digest is kept up with each row.
 *
 * --- snapshots of all shared rows ---
 *
 * snapshot_read: a piece of all shared rows with their stamps, tombstones included (sync/registers.h), after
 * `cursor` (empty: the first). Appends it to ret_rows; *ret_cursor says where the next begins (empty: this was the
 * last one). In the order of keys, so that a row made meanwhile is in a later piece, or in the log after the
 * vector. The vector that a snapshot covers is the caller's to take, before the first piece.
 *
 * snapshot_merge: merges a piece, register by register. With a vector (the last piece) it also moves each log that
 * the vector has further: position, hlc and hash, and floor = position: this device's records of it go, as they do
 * not connect. At equal positions with other hashes the greater hash is taken over. The log of this device's
 * present epoch is never moved. -ERR_AHEAD: a stamp is too far ahead; nothing merged. -ERR_MALFORMED as above.
 *
 * --- keeping house ---
 *
 * cut: of a log: records up to `upto` go; floor and the running hash there are kept. Of a state stream (only while
 * whole, and of kinds that model_is_purged): tombstones with version <= upto go, floor = upto. Returns 1 when
 * there is more to do.
 *
 * relist: a state stream of another device that turned out wrong begins again as stream_none(). Its rows stay
 * until the new list is whole.
 *
 * new_epoch: this device begins a new life: an origin with a random epoch and started = max(HLC of now, old
 * started + 1, started_after + 1), which the clock takes no note of. Its log is empty. Its state streams take over
 * position, floor, digest and rows as they are; those of the old epoch go.
 *   - Records of the logs in `keep` with a greater stamp than anybody else has of them are this device's alone:
 *     they are written again under the new epoch, oldest first, with present stamps. A register that still carries
 *     the old record's stamp takes the new one, though it may be lower. Those logs then end before them.
 * With `ahead` this device's stamps had run ahead of its clock, and:
 *   - The clock falls back to now, first.
 *   - Registers of this device that are still more than HLC_AHEAD_MAX_MS ahead (their records were cut while it
 *     was alone, or a restored copy has forgotten them) are written again as changes of their own: otherwise
 *     nobody could take a snapshot of this device for years. */
struct applied {
	struct stream stream;	/* after the call */
	struct stream also;	/* the device's entries, if applying locations may have changed them; else all zero */
	uint64_t held_hlc;	/* 0, or the stamp of the first record that is held */
	uint64_t shared_digest; /* after the call */
	uint64_t clock;		/* after the call: the greatest stamp given or seen */
	bool members_changed;	/* the call changed the device rows */
};

struct epoch_request {
	const struct vector *keep; /* logs of this device, with the greatest position and stamp that somebody else has; the
				    * stamp decides, as it may be another history that they have. NULL: none */
	bool ahead;
	uint64_t started_after;	   /* the new epoch starts after this; no stamp: the clock takes no note of it */
	uint64_t clock_after;	   /* the clock takes note of this greatest stamp of ours that a peer holds */
};

struct replica_ops {
	/* All streams, this device's included, the shared digest and the clock, in one read transaction. */
	int (*vector)(void *replica, struct vector *ret_vector);
	int (*read)(void *replica, const struct range_request *request, struct range *ret_range, struct buf *ret_body);
	int (*apply)(void *replica, const struct range *range, uint64_t now_ms, struct applied *ret_applied);
	int (*snapshot_read)(void *replica, const struct buf *cursor, uint32_t max_bytes, struct buf *ret_rows,
			     struct buf *ret_cursor);
	int (*snapshot_merge)(void *replica, const void *rows, size_t rows_len, const struct vector *covers,
			      uint64_t now_ms);
	int (*cut)(void *replica, const struct stream_id *stream, uint64_t upto);
	int (*relist)(void *replica, const struct stream_id *stream);
	int (*new_epoch)(void *replica, const struct epoch_request *request, uint64_t now_ms);
};
