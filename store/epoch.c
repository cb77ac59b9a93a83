#include "store/epoch.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "store/internal.h"
#include "sync/hlc.h"

/* More than a device can have given in one life; the 62 bits of a number have room for a billion of such steps. */
#define EPOCH_SEQ_STEP (INT64_C(1) << 32)

static int insert_origin(struct txn *txn, uint64_t epoch, uint64_t started)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_EPOCH_INSERT, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, txn_info(txn)->device.bytes, UUID_LEN);
	bind_int(stmt, 2, (int64_t)epoch);
	bind_int(stmt, 3, (int64_t)started);
	return stmt_run(stmt);
}

static int insert_streams(struct txn *txn, int64_t origin)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_EPOCH_INSERT_STREAMS, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, txn_origin(txn));
	return stmt_run(stmt);
}

static int skip_numbers(struct txn *txn)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_EPOCH_SKIP_SEQS, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	bind_int(stmt, 2, EPOCH_SEQ_STEP);
	return stmt_run(stmt);
}

static int drop_streams(struct txn *txn)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_EPOCH_DROP_STREAMS, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_origin(txn));
	return stmt_run(stmt);
}

/* The clock must not fall behind what the old epoch gave: its log counts no more when the clock is found again. */
static int keep_clock(struct txn *txn)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LIBRARY_RAISE_HLC, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, (int64_t)txn_hlc(txn)->last);
	return stmt_run(stmt);
}

static int read_started(struct txn *txn, uint64_t *ret_started)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_EPOCH_STARTED, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_origin(txn));
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_CORRUPT;
	*ret_started = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int epoch_begin(struct txn *txn, uint64_t after)
{
	uint64_t epoch, before = 0;
	int64_t origin;
	int r = txn_flush(txn); /* its counters are those of the old origin */

	memset(txn->versions, 0, sizeof(txn->versions));
	random_bytes(&epoch, sizeof(epoch));
	epoch >>= 1; /* 63 bits: positive in SQL too */
	if (r >= 0)
		r = read_started(txn, &before);
	if (r >= 0)
		r = keep_clock(txn);
	if (r >= 0)
		r = insert_origin(txn, epoch, most(txn_now_ms(txn) << 16, most(before, after) + 1));
	if (r < 0)
		return r;
	origin = sqlite3_last_insert_rowid(txn->db->connection);
	r = insert_streams(txn, origin);
	if (r >= 0)
		r = drop_streams(txn);
	if (r >= 0)
		r = skip_numbers(txn);
	if (r < 0)
		return r;
	txn->new_origin = origin;
	txn->new_epoch = epoch;
	return 0;
}

int store_new_epoch(struct txn *txn, uint64_t least_hlc)
{
	struct hlc *clock = txn_hlc(txn);

	if (hlc_ms(least_hlc) > HLC_MS_MAX)
		least_hlc = 0;
	if (least_hlc > clock->last)
		clock->last = least_hlc;
	return epoch_begin(txn, least_hlc);
}
