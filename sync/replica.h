/* The contract of a replica: what the replication core (sync/core.h) needs from whoever stores a library. The store
 * implements it over SQLite, the simulation in memory.
 *
 * The core never calls these: it asks for them as effects, whoever drives it calls them (reads on any thread with its own
 * snapshot of the database, the others through the write gate at bulk priority) and hands the result back as an event. One
 * call is one transaction: durable on return, all or nothing. A call that would take long does a piece: ranges and
 * snapshots are bounded by the request; cut and purge stop after about 50 ms and are asked for again.
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
 * read: the changes after request->since in one read transaction. The range's header is put into *ret_range, its body is
 * appended to `ret_body` (range.body is not set: the caller does when the buffer is final).
 *
 *   log    records since + 1 ...; range.hash is the running hash at `since`, head the position.
 *          -ERR_CUT      since < floor (records are gone): the asker needs another server or a snapshot
 *          -ERR_FORKED   since is known here with another running hash (wherever it can be computed: between floor and
 *                        position): two histories of one origin
 *          -ERR_STALE    since > position: nothing to give
 *   state  rows with version > since in version order, tombstones included, cut between rows. Every range carries head
 *          (= position) and floor. Once no row is left upto = head, also when the last rows have lower versions. An asker at
 *          the head gets an empty range, upto = head: it tells that it is whole.
 *          If floor > request->base the asker may have missed a tombstone that is purged: the answer begins a full list:
 *          since 0, listing. Asked with `listing`, or since 0, it is a (further) piece of the list: listing is set.
 *          -ERR_STALE    not whole here, or since > position: nothing to give
 *   -ENOENT  no such stream here (also: a state stream of an epoch that a later one of its device has replaced)
 *
 * --- applying ---
 *
 * apply: checks everything, stores what is above this device's position, moves the position, in one transaction.
 *
 *   An origin or stream not known yet begins with stream_none(); its started comes from the range.
 *   log    - position < since: -ERR_STALE. position >= upto: nothing to do, success.
 *          - running hash: roll range.hash over the records; at this device's position it must be its own hash: -ERR_FORKED
 *          - each record: change_set_decode; HLC greater than the one before it (also than stream.hlc); else -ERR_MALFORMED
 *          - a record's HLC more than HLC_AHEAD_MAX_MS ahead of now_ms: the records before it are applied, the rest is held:
 *            applied.held_hlc is its HLC. Held is not an error
 *          - each applied: appended to the log, change_set applied with stamp (hlc, origin.device), clock observed
 *   state  - a later epoch of this device is known here (greater (started, epoch)) and has this kind: -ERR_STALE
 *          - the first range of a later epoch replaces the older one's stream of that kind: its `stream` row goes, its rows stay
 *            until the list is whole
 *          - range.listing: since 0 begins (or begins again) a list: position 0, head 0, base = range.head, listing;
 *            otherwise the stream must be listing with position == since, else -ERR_STALE
 *            not range.listing: the stream must not be listing, and position >= since, else -ERR_STALE
 *            (an asker that is ahead of a whole stream's upto: nothing to do, success)
 *          - rows: versions strictly growing, > since, <= upto; else -ERR_MALFORMED. Their owner is range's origin.device:
 *            a location that belongs to another device, an entry of another device's location: -ERR_MALFORMED
 *          - a row is stored when its version is greater than the stored one's; in a list always. Entries of a location that
 *            is deleted are skipped. A parent that is not there yet becomes a stub: no name, version 0
 *          - in a list, stored rows of this device with since < version <= upto that the piece does not hold become doubtful:
 *            version 0 (they may come later in the list, and keep their ids)
 *          - floor = max(floor, range.floor); head = max(head, range.head); position = max(position, upto);
 *            while upto < head: base = min(base, range.head)
 *          - reached head: base = position. If it was a list: rows of this device that are doubtful, or above head, are
 *            swept, and listing ends
 *          - digest is kept up with each row
 *   success: *ret_applied says where the stream is now.
 *   -ERR_MALFORMED, -ERR_TOO_LARGE: the sender breaks the rules; nothing was stored.
 *
 * --- snapshots of all shared rows ---
 *
 * snapshot_read: a piece of all shared rows with their stamps, tombstones included (sync/registers.h), after `cursor` (empty:
 * the first). Appends the piece to ret_rows and sets *ret_cursor to where the next begins (empty: this was the last one).
 * Order by key, so that a row made meanwhile is in a later piece or in the log after the vector. The vector that a snapshot
 * covers is the caller's to read, before the first piece.
 *
 * snapshot_merge: merges a piece, register by register. With a vector (the last piece) also moves, for each log in it that is
 * further than this device: position, hlc and hash, and floor = position (this device's records of it go: they do not
 * connect); equal positions with other hashes: the greater hash is taken over. A log of this device's current epoch is
 * never moved. Stamps too far ahead: -ERR_AHEAD, nothing merged. -ERR_MALFORMED as above.
 *
 * --- keeping house ---
 *
 * cut: log: records up to `upto` go, floor and the hash at floor are kept. State: tombstones with version <= upto go, floor =
 * upto (called only for whole streams; kinds whose model says so). Returns 1 when there is more to do.
 *
 * relist: a state stream of another device that turned out wrong begins again as stream_none(); its rows stay until the new
 * list is whole.
 *
 * new_epoch: this device begins a new life: a new origin with a random epoch and started = max(HLC of now, old started + 1,
 * started_after + 1).
 * Its log is empty, its state streams take over position, floor, digest and rows as they are; the old epoch's state streams go.
 * With `keep` (its stamps ran ahead of its clock): records of this device's logs after the position in `keep`, which only
 * this device has, are written again under the new epoch, oldest first, with present stamps; a register that still carries
 * the old record's stamp takes the new one, though it is lower. Where a log was cut past that position (this device was
 * alone), its registers that are still more than HLC_AHEAD_MAX_MS ahead are written again as changes of their own. Those
 * logs then end at that position (or where they are cut), and the clock falls back to now. The clock must not take note of `started`. */
struct applied {
	struct stream stream;	/* after the call */
	struct stream also;	/* the device's stream of entries, when applying locations changed its digest; else position 0 */
	uint64_t held_hlc;	/* 0, or the stamp of the first record that is held */
	uint64_t shared_digest; /* after the call */
	uint64_t clock;		/* after the call: the greatest stamp given or seen */
	bool members_changed;	/* the call changed the device rows */
};

struct epoch_request {
	const struct vector *keep; /* NULL: nothing is written again; else this device's logs, with the positions that somebody
				    * else has */
	uint64_t started_after; /* the new epoch starts after this; no stamp: the clock takes no note of it */
	uint64_t clock_after;	/* the clock takes note of this greatest stamp of ours that a peer holds */
};

struct replica_ops {
	int (*vector)(void *replica, struct vector *ret_vector); /* all streams, this device's included; one transaction */
	int (*read)(void *replica, const struct range_request *request, struct range *ret_range, struct buf *ret_body);
	int (*apply)(void *replica, const struct range *range, uint64_t now_ms, struct applied *ret_applied);
	int (*snapshot_read)(void *replica, const struct buf *cursor, uint32_t max_bytes, struct buf *ret_rows,
			     struct buf *ret_cursor);
	int (*snapshot_merge)(void *replica, const void *rows, size_t rows_len, const struct vector *covers, uint64_t now_ms);
	int (*cut)(void *replica, const struct stream_id *stream, uint64_t upto);
	int (*relist)(void *replica, const struct stream_id *stream);
	int (*new_epoch)(void *replica, const struct epoch_request *request, uint64_t now_ms);
};
