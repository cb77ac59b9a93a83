/* What the files of the replica know of each other. Internal to store/. */
#pragma once

#include "store/db.h"
#include "store/streams.h"
#include "sync/replica.h"
#include "sync/row.h"

/* --- logs (replica_log.c) --- */

int replica_read_log(struct db *db, const struct range_request *request, struct range *range, struct buf *body);
int replica_apply_log(struct txn *txn, const struct range *range, uint64_t now_ms, struct applied *applied);

/* --- state streams (replica_state.c) --- */

int replica_read_state(struct db *db, const struct range_request *request, struct range *range, struct buf *body);
int replica_apply_state(struct txn *txn, const struct range *range, struct applied *applied);
int replica_purge(struct txn *txn, const struct stream_id *id, uint64_t upto);
int replica_relist(struct txn *txn, const struct stream_id *id);

/* Writing rows of a read into a block: what is asked for at most. */
struct row_sink {
	struct row_writer writer;
	uint32_t max_rows, max_bytes;
	uint64_t upto; /* the version of the last row */
};

/* 0, 1 when it is full (the row was not taken). A row that breaks the rules: -ERR_CORRUPT. */
int row_sink_add(struct row_sink *sink, const struct row *row);

/* A range that is being applied. */
struct incoming {
	struct txn *txn;
	const struct range *range;
	int64_t device;	    /* the owner's row */
	uint64_t digest;    /* of the stream; kinds other than entries */
	uint64_t *keys;	    /* of all rows of the range, sorted; made when it is first asked. Owned */
	size_t key_count;   /* rows */
	unsigned key_parts; /* numbers for each */
};

void incoming_release(struct incoming *in);

/* What a stored row counts for in the kept sum. A list sums anew, so that a sum that is wrong does not stay so: rows
 * that it has not reached count for nothing. */
uint64_t incoming_counted(const struct incoming *in, const struct row *stored);

/* Whether the range has a row of that key: 1 or 0. */
int incoming_has(struct incoming *in, const uint64_t key[MODEL_KEY_MAX]);

/* --- kinds of few rows (replica_small.c): locations, audit, volumes --- */

int replica_small_read(struct db *db, const struct model *model, int64_t device, uint64_t since,
		       struct row_sink *sink); /* 1: to the end */
int replica_small_put(struct incoming *in, const struct row *row);
int replica_small_doubt(struct incoming *in);
int replica_small_sweep(struct incoming *in, uint64_t head);
int replica_small_purge(struct txn *txn, const struct model *model, int64_t device, uint64_t upto);

/* A location by its prefix, with a stub for one that is not there. Errors: -ERR_MALFORMED: it is another device's. */
int replica_take_location(struct txn *txn, int64_t device, uint64_t prefix, int64_t *ret_id, bool *ret_deleted);

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
int replica_take_entry(struct txn *txn, int64_t location, uint64_t seq, int64_t *ret_id);

int replica_entries_doubt(struct incoming *in);
int replica_entries_sweep(struct incoming *in, uint64_t head);
int replica_entries_purge(struct txn *txn, int64_t device, uint64_t upto);

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
int replica_snapshot_merge(struct txn *txn, const void *rows, size_t rows_len, const struct vector *covers);
int replica_new_epoch(struct txn *txn, const struct epoch_request *request);
