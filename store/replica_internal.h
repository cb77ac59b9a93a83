/* What the files of the replica know of each other. Internal to store/. */
#pragma once

#include "store/db.h"
#include "store/streams.h"
#include "sync/replica.h"
#include "sync/row.h"

/* --- logs (replica_log.c) --- */

int replica_read_log(struct db *db, const struct range_request *request, struct range *range, struct buf *body);
/* Applying is done in slices: 1 when there is more to do, in another transaction with the same arguments. */
int replica_apply_log(struct txn *txn, const struct range *range, uint64_t now_ms, struct applied *applied);

/* --- state streams (replica_state.c) --- */

int replica_read_state(struct db *db, const struct range_request *request, struct range *range, struct buf *body);
/* How far a range has come that is applied in slices, beside the position. Zero at first. */
struct applying {
	bool begun;
	bool doubted;	  /* what a piece of a list lacks is found */
	bool doomed;	  /* what a whole list lacks is marked */
	uint64_t counted; /* by replica_count_entries */
};

int replica_apply_state(struct txn *txn, const struct range *range, struct applying *applying, struct applied *applied);
int replica_purge(struct txn *txn, const struct stream_id *id, uint64_t upto); /* 1: there is more */
int replica_relist(struct txn *txn, const struct stream_id *id);

/* Writing rows of a read into a block: what is asked for at most. */
struct row_sink {
	struct row_writer writer;
	uint32_t max_rows, max_bytes;
	uint64_t upto; /* the version of the last row */
};

/* 0, 1 when it is full (the row was not taken). A row that breaks the rules: -ERR_CORRUPT. */
int row_sink_add(struct row_sink *sink, const struct row *row);

struct row_name {
	uint64_t key[MODEL_KEY_MAX];
	uint64_t version;
};

/* A range that is being applied: in a slice, what is left of it. */
struct incoming {
	struct txn *txn;
	const struct range *range;
	int64_t device;	       /* the owner's row */
	uint64_t digest;       /* of the stream; kinds other than entries */
	struct row_name *keys; /* of all rows of the range, sorted; made when it is first asked. Owned */
	size_t key_count;      /* rows */
	uint64_t reached;      /* version of the last row that is done with */
	uint64_t added;	       /* rows that were not there, stubs included */
	uint64_t counted;      /* entries of the owner before, if that was asked for */
};

void incoming_release(struct incoming *in);

/* What a stored row counts for in the kept sum. A list sums anew, so that a sum that is wrong does not stay so: rows
 * that it has not reached count for nothing. */
uint64_t incoming_counted(const struct incoming *in, const struct row *stored);

/* Whether the range has that very row: 1 or 0. One of another version is none: it is doubtful until the other one is
 * stored, so that what it counts for does not hang on where a slice ends. */
int incoming_has(struct incoming *in, const struct row *stored);

/* Those below that write rows stop when the slice ends: 1. What is left follows from the tables. */

/* --- kinds of few rows (replica_small.c): locations, audit, volumes --- */

int replica_small_read(struct db *db, const struct model *model, int64_t device, uint64_t since,
		       struct row_sink *sink); /* 1: to the end */
int replica_small_put(struct incoming *in, const struct row *row);
int replica_small_doubt(struct incoming *in);
int replica_small_sweep(struct incoming *in, uint64_t head);
int replica_small_purge(struct txn *txn, const struct model *model, int64_t device, uint64_t upto);

/* A location by its prefix, with a stub for one that is not there. Errors: -ERR_MALFORMED: it is another device's. */
int replica_take_location(struct incoming *in, uint64_t prefix, int64_t *ret_id, bool *ret_deleted);
int replica_check_location(struct txn *txn, int64_t device, uint64_t prefix); /* the same error; makes nothing */

/* After rows were added: whether the owner has more than it may. Errors: -ERR_TOO_LARGE. */
int replica_check_room(struct incoming *in);
/* For it, on this thread's reader, before entries are applied. 0 where the number is known. */
int replica_count_entries(struct store *store, const struct uuid *device, uint64_t *ret_rows);

/* --- entries (replica_entry.c, replica_sweep.c) --- */

#define PLACES_MAX 1024 /* remembered ids of parents; by number modulo this */

struct entries_in {
	struct incoming *in;
	int64_t location; /* the one that rows came for last; 0: none */
	uint64_t prefix;
	bool deleted;
	int64_t last_seq; /* the greatest number in it */
	bool links;	  /* some link may lead to an entry */
	struct {
		int64_t location, seq, id; /* id 0: free */
	} places[PLACES_MAX];
};

int replica_entries_read(struct db *db, int64_t device, uint64_t since, struct row_sink *sink); /* 1: to the end */
int replica_entries_begin(struct incoming *in, struct entries_in *ret_entries);
int replica_entries_put(struct entries_in *entries, const struct row *row);

/* The id of an entry; one that is not there becomes a stub. */
int replica_take_entry(struct incoming *in, int64_t location, uint64_t seq, int64_t *ret_id);

int replica_entries_doubt(struct incoming *in);
int replica_entries_sweep(struct incoming *in); /* those that are doomed */

/* Whether live entries hang on one that did not come: 1 or 0. Never so in rows that are whole. */
int replica_entries_open(struct incoming *in);
int replica_entries_doom(struct incoming *in, uint64_t head);
int replica_entries_purge(struct txn *txn, int64_t device, uint64_t upto);

/* Entries of a location that is deleted go. */
int replica_empty(struct txn *txn, int64_t location);
int replica_empty_next(struct txn *txn); /* of whichever it is */

int replica_run_on(struct txn *txn, enum statement which, const struct buf *ids); /* an int64_t each */

/* The locations of a device, appended as struct location_rows with `next` 0. */
struct location_rows {
	int64_t location;
	uint64_t prefix;
	uint64_t next; /* version of its next row; UINT64_MAX: none */
};

int replica_locations(struct db *db, int64_t device, bool deleted_too, struct buf *ret_locations);

/* --- snapshots (replica_snapshot.c) and epochs (replica_epoch.c) --- */

int replica_snapshot_read(struct db *db, const struct buf *cursor, uint32_t max_bytes, struct buf *rows,
			  struct buf *ret_cursor);
/* `merged`: rows that earlier slices did, and this one. 1: there is more. */
int replica_snapshot_merge(struct txn *txn, const void *rows, size_t rows_len, size_t *merged,
			   const struct vector *covers);
int replica_new_epoch(struct txn *txn, const struct epoch_request *request);
