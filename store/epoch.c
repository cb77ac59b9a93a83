#include "store/epoch.h"

#include <string.h>

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

static uint64_t next_start(struct txn *txn, uint64_t least_hlc)
{
	struct hlc *clock = txn_hlc(txn);

	if (least_hlc > clock->last && hlc_ms(least_hlc) <= HLC_MS_MAX)
		clock->last = least_hlc;
	return hlc_tick(clock, txn_now_ms(txn));
}

int store_new_epoch(struct txn *txn, uint64_t least_hlc)
{
	int64_t origin;
	uint64_t epoch;
	int r = txn_flush(txn); /* its counters are those of the old origin */

	memset(txn->versions, 0, sizeof(txn->versions));
	random_bytes(&epoch, sizeof(epoch));
	epoch >>= 1; /* 63 bits: positive in SQL too */
	if (r >= 0)
		r = insert_origin(txn, epoch, next_start(txn, least_hlc));
	if (r < 0)
		return r;
	origin = sqlite3_last_insert_rowid(txn->db->connection);
	r = insert_streams(txn, origin);
	if (r >= 0)
		r = skip_numbers(txn);
	if (r < 0)
		return r;
	txn->new_origin = origin;
	txn->new_epoch = epoch;
	return 0;
}
