/* What a transaction keeps in memory: counters of versions and numbers, and the location that was used last. A scan
 * inserts a million rows into one location, so none of these may cost a query for each row. */
#include "store/txn.h"

#include <assert.h>
#include <errno.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "sync/model.h"

struct hlc *txn_hlc(struct txn *txn)
{
	return &txn->store->clock;
}

int64_t txn_origin(struct txn *txn)
{
	return txn->new_origin != 0 ? txn->new_origin : txn->store->origin;
}

/* --- versions --- */

static int version_load(struct txn *txn, int kind, struct txn_counter *counter)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_STREAM_POSITION, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_origin(txn));
	bind_int(stmt, 2, kind);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	if (r > 0)
		return -ERR_CORRUPT; /* made together with the origin */
	counter->value = sqlite3_column_int64(stmt, 0);
	counter->digest = (uint64_t)sqlite3_column_int64(stmt, 1);
	counter->loaded = true;
	return 0;
}

static int version_counter(struct txn *txn, int kind, struct txn_counter **ret_counter)
{
	struct txn_counter *counter;
	int r;

	assert(kind >= TXN_KIND_FIRST && kind < TXN_KIND_FIRST + TXN_KINDS);
	counter = &txn->versions[kind - TXN_KIND_FIRST];
	r = counter->loaded ? 0 : version_load(txn, kind, counter);
	if (r < 0)
		return r;
	*ret_counter = counter;
	return 0;
}

int txn_next_version(struct txn *txn, int kind, int64_t *ret_version)
{
	struct txn_counter *counter;
	int r = version_counter(txn, kind, &counter);

	if (r < 0)
		return r;
	counter->changed = true;
	*ret_version = ++counter->value;
	return 0;
}

int txn_stream_digest(struct txn *txn, int kind, uint64_t delta)
{
	struct txn_counter *counter;
	int r = version_counter(txn, kind, &counter);

	if (r < 0)
		return r;
	counter->changed |= delta != 0;
	counter->digest += delta;
	return 0;
}

static int version_save(struct txn *txn, int kind, struct txn_counter *counter)
{
	sqlite3_stmt *stmt;
	int r = 0;

	if (!counter->changed)
		return 0;
	stmt = db_stmt(txn->db, STMT_STREAM_ADVANCE, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, counter->value);
	bind_int(stmt, 2, txn_origin(txn));
	bind_int(stmt, 3, kind);
	bind_int(stmt, 4, (int64_t)counter->digest);
	counter->changed = false;
	return stmt_run(stmt);
}

/* --- the location --- */

static int location_load(struct txn *txn, int64_t id, struct txn_location *ret_location)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_LOCATION_COUNTER, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	if (r > 0)
		return -ENOENT;
	*ret_location = (struct txn_location){
	    .id = id,
	    .prefix = (uint64_t)sqlite3_column_int64(stmt, 0),
	    .self = sqlite3_column_int64(stmt, 1) == txn->store->info.device_row,
	    .next_seq = {.loaded = true,
			 .value = sqlite3_column_int64(stmt, 2),
			 .digest = (uint64_t)sqlite3_column_int64(stmt, 4)},
	    .deleted = sqlite3_column_int(stmt, 3) != 0,
	};
	return 0;
}

int txn_location_drop(struct txn *txn)
{
	struct txn_location *location = &txn->location;
	sqlite3_stmt *stmt;
	int r = 0;

	if (location->next_seq.changed) {
		stmt = db_stmt(txn->db, STMT_LOCATION_ADVANCE, &r);
		if (!stmt)
			return r;
		bind_int(stmt, 1, location->next_seq.value);
		bind_int(stmt, 2, location->id);
		bind_int(stmt, 3, (int64_t)location->next_seq.digest);
		r = stmt_run(stmt);
	}
	*location = (struct txn_location){0};
	return r;
}

int txn_location(struct txn *txn, int64_t id, struct txn_location **ret_location)
{
	int r;

	if (txn->location.id != id || id == 0) {
		r = txn_location_drop(txn);
		if (r < 0)
			return r;
		r = location_load(txn, id, &txn->location);
		if (r < 0)
			return r;
	}
	*ret_location = &txn->location;
	return 0;
}

int txn_location_digest(struct txn *txn, int64_t id, uint64_t delta)
{
	struct txn_location *location;
	int r = txn_location(txn, id, &location);

	if (r < 0)
		return r;
	location->next_seq.changed |= delta != 0;
	location->next_seq.digest += delta;
	return 0;
}

int txn_parent_seq(struct txn *txn, int64_t id, uint64_t *ret_seq)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	if (txn->parent.id != id || id == 0) {
		stmt = db_stmt(txn->db, STMT_ENTRY_SEQ, &r);
		if (!stmt)
			return r;
		bind_int(stmt, 1, id);
		r = stmt_step(stmt);
		if (r != 0)
			return r < 0 ? r : -ENOENT;
		txn->parent = (struct txn_parent){.id = id, .seq = (uint64_t)sqlite3_column_int64(stmt, 0)};
	}
	*ret_seq = txn->parent.seq;
	return 0;
}

int txn_next_seq(struct txn *txn, int64_t location, uint64_t *ret_seq)
{
	struct txn_location *l;
	int r;

	r = txn_location(txn, location, &l);
	if (r < 0)
		return r;
	*ret_seq = (uint64_t)l->next_seq.value++;
	l->next_seq.changed = true;
	return 0;
}

int txn_flush(struct txn *txn)
{
	int r = txn_location_drop(txn);

	for (int i = 0; r >= 0 && i < TXN_KINDS; i++)
		r = version_save(txn, TXN_KIND_FIRST + i, &txn->versions[i]);
	return r < 0 ? r : oplog_settle(txn);
}
