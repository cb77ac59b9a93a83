#include "store/replica.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "store/replica_internal.h"

enum { CALL_MS = 500 }; /* who ends the process waits for a call */

/* --- reading --- */

static int begin(struct store *store, struct db **ret_db)
{
	int r = store_reader(store, ret_db);

	return r < 0 ? r : db_begin(*ret_db);
}

static int replica_vector(void *replica, struct vector *ret_vector)
{
	struct db *db;
	int r = begin(replica, &db);

	if (r < 0)
		return r;
	r = streams_list(db, ret_vector);
	db_end(db);
	return r;
}

static int replica_read(void *replica, const struct range_request *request, struct range *ret_range,
			struct buf *ret_body)
{
	struct range range = {.stream = request->stream};
	struct db *db;
	int r = begin(replica, &db);

	if (r < 0)
		return r;
	r = request->stream.kind == STREAM_LOG ? replica_read_log(db, request, &range, ret_body)
					       : replica_read_state(db, request, &range, ret_body);
	db_end(db);
	if (r == 0)
		*ret_range = range;
	return r;
}

static int replica_snapshot(void *replica, const struct buf *cursor, uint32_t max_bytes, struct buf *ret_rows,
			    struct buf *ret_cursor)
{
	struct db *db;
	int r = begin(replica, &db);

	if (r < 0)
		return r;
	r = replica_snapshot_read(db, cursor, max_bytes, ret_rows, ret_cursor);
	db_end(db);
	return r;
}

/* --- writing --- */

struct call {
	const struct range *range;
	struct applying applying;
	struct applied applied;
	const struct stream_id *stream;
	uint64_t upto;
	const void *rows;
	size_t rows_len;
	size_t merged; /* of the rows, by earlier slices */
	const struct vector *covers;
	const struct epoch_request *epoch;
	uint64_t now_ms;
};

/* Slice after slice, each a transaction, while `fn` says that there is more to do; for at most `max_ms`. */
static int run_for(uint64_t max_ms, void *replica, int (*fn)(struct txn *txn, void *arg), struct call *call)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	uint64_t began_ms = clock_monotonic_ms();
	int r;

	do
		r = store_write(replica, &opts, fn, call);
	while (r == 1 && clock_monotonic_ms() - began_ms < max_ms);
	return r == -ENOENT ? -ERR_CORRUPT : r;
}

static int run(void *replica, int (*fn)(struct txn *txn, void *arg), struct call *call)
{
	return run_for(CALL_MS, replica, fn, call);
}

static int shared_digest(struct db *db, uint64_t *ret_digest)
{
	uint64_t sum = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_SHARED_SUM, &r);

	if (!stmt)
		return r;
	while ((r = stmt_step(stmt)) == 0)
		sum += (uint64_t)sqlite3_column_int64(stmt, 0);
	if (r > 0)
		*ret_digest = sum;
	return r < 0 ? r : 0;
}

static int do_apply(struct txn *txn, void *arg)
{
	struct call *call = arg;
	const struct range *range = call->range;
	struct applied *applied = &call->applied;
	int r, more;

	txn->now_ms = call->now_ms;
	r = more = range->stream.kind == STREAM_LOG ? replica_apply_log(txn, range, call->now_ms, applied)
						    : replica_apply_state(txn, range, &call->applying, applied);
	if (r >= 0)
		r = txn_flush(txn);
	if (r >= 0)
		r = shared_digest(txn->db, &applied->shared_digest);
	applied->clock = txn_hlc(txn)->last;
	applied->members_changed |= txn->members_changed;
	return r < 0 ? r : more;
}

static int replica_apply(void *replica, const struct range *range, uint64_t now_ms, struct applied *ret_applied)
{
	struct call call = {.range = range, .now_ms = now_ms};
	int r = range_check(range);

	if (r == 0 && range->stream.kind == MODEL_ENTRY)
		r = replica_count_entries(replica, &range->stream.origin.device, &call.applying.counted);
	if (r == 0)
		r = run(replica, do_apply, &call);
	if (r >= 0)
		*ret_applied = call.applied;
	return r < 0 ? r : 0;
}

static int do_merge(struct txn *txn, void *arg)
{
	struct call *call = arg;

	txn->now_ms = call->now_ms;
	return replica_snapshot_merge(txn, call->rows, call->rows_len, &call->merged, call->covers);
}

static int replica_merge(void *replica, const void *rows, size_t rows_len, const struct vector *covers, uint64_t now_ms)
{
	struct call call = {.rows = rows, .rows_len = rows_len, .covers = covers, .now_ms = now_ms};

	return run_for(UINT64_MAX, replica, do_merge, &call); /* a piece has few rows */
}

static int do_cut(struct txn *txn, void *arg)
{
	const struct call *call = arg;
	struct streams_origin origin;
	struct stream s;
	int r;

	if (call->stream->kind != STREAM_LOG)
		return replica_purge(txn, call->stream, call->upto);
	r = streams_get(txn->db, call->stream, &s);
	if (r == 0)
		r = streams_find_origin(txn->db, &call->stream->origin, &origin);
	if (r == -ENOENT || (r == 0 && call->upto > s.position))
		return 0;
	return r < 0 ? r : oplog_cut_to(txn, origin.id, call->upto);
}

static int replica_cut(void *replica, const struct stream_id *stream, uint64_t upto)
{
	struct call call = {.stream = stream, .upto = upto};

	return run(replica, do_cut, &call);
}

static int do_relist(struct txn *txn, void *arg)
{
	const struct call *call = arg;

	return replica_relist(txn, call->stream);
}

static int replica_begin_list(void *replica, const struct stream_id *stream)
{
	struct call call = {.stream = stream};

	return run(replica, do_relist, &call);
}

static int do_new_epoch(struct txn *txn, void *arg)
{
	const struct call *call = arg;

	txn->now_ms = call->now_ms;
	return replica_new_epoch(txn, call->epoch);
}

static int replica_begin_epoch(void *replica, const struct epoch_request *request, uint64_t now_ms)
{
	struct call call = {.epoch = request, .now_ms = now_ms};

	return run(replica, do_new_epoch, &call);
}

const struct replica_ops store_replica = {
    .vector = replica_vector,
    .read = replica_read,
    .apply = replica_apply,
    .snapshot_read = replica_snapshot,
    .snapshot_merge = replica_merge,
    .cut = replica_cut,
    .relist = replica_begin_list,
    .new_epoch = replica_begin_epoch,
};
