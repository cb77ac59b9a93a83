/* A new epoch with what only this device has written again (sync/replica.h, new_epoch). */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/epoch.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "store/registers.h"
#include "store/replica_internal.h"

/* The last position whose stamp is not greater, or where the log is cut. */
static int position_at(struct txn *txn, int64_t origin, uint64_t hlc, uint64_t *ret_seq)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOG_UPTO, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)hlc);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	*ret_seq = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

/* The record after `seq`, decoded. 1: there is none. */
static int next_record(struct txn *txn, int64_t origin, uint64_t seq, uint64_t *ret_hlc, struct change_set *ret_set)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOG_AFTER, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)seq);
	r = stmt_step(stmt);
	if (r != 0)
		return r;
	r = change_set_decode(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1), ret_hlc, ret_set);
	return r < 0 && r != -ENOMEM ? -ERR_CORRUPT : r;
}

/* What only this device has of an old log, written again; the old log ends before it. */
static int rewrite(struct txn *txn, const struct stream *keep)
{
	struct streams_origin origin;
	struct stream s;
	uint64_t after = 0, seq;
	int r = streams_get(txn->db, &keep->id, &s);

	if (r == 0)
		r = streams_find_origin(txn->db, &keep->id.origin, &origin);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = position_at(txn, origin.id, keep->hlc, &after);
	if (r < 0 || after >= s.position || origin.id == txn_origin(txn))
		return r;
	for (seq = after; r == 0; seq++) {
		_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
		struct stamp over = {.device = txn_info(txn)->device};

		r = next_record(txn, origin.id, seq, &over.hlc, &set);
		if (r == 0)
			r = oplog_commit_again(txn, &set, &over);
	}
	return r < 0 ? r : oplog_truncate(txn, origin.id, after);
}

/* The oldest epoch first. */
static int rewrite_all(struct txn *txn, const struct vector *keep)
{
	int r = 0;

	for (uint64_t started = 0; r == 0;) {
		const struct stream *next = NULL;

		for (size_t i = 0; i < keep->count; i++) {
			const struct stream *s = &keep->items[i];

			if (s->id.kind == STREAM_LOG && s->started > started && (!next || s->started < next->started))
				next = s;
		}
		if (!next)
			break;
		r = rewrite(txn, next);
		started = next->started;
	}
	return r;
}

/* --- what was cut is not there to be written again; its registers are --- */

/* 1 or 0. */
static int cut_too_far(struct txn *txn, const struct vector *keep)
{
	for (size_t i = 0; i < keep->count; i++) {
		struct stream s;
		int r = streams_get(txn->db, &keep->items[i].id, &s);

		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && s.floor > keep->items[i].position)
			return 1;
	}
	return 0;
}

static int write_field_again(struct txn *txn, const struct change *row, unsigned field, const struct stamp *over)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	const struct value *value = &row->values[field];
	enum field_type type = row->model->fields[field].type;
	struct change *change;
	int r = change_set_add(&set, row->model->kind, &row->key[0], row->model->key_parts > 1 ? &row->key[1] : NULL,
			       &change);

	if (r == 0 && (type == FIELD_BOOL || type == FIELD_UINT))
		r = change_put_number(change, field, value->number);
	else if (r == 0)
		r = change_put_bytes(&set, change, field, value->bytes, value->len);
	return r < 0 ? r : oplog_commit_again(txn, &set, over);
}

static int write_row_again(struct txn *txn, const struct change *row, const struct register_stamps *stamps)
{
	int r = 0;

	for (unsigned field = 0; r == 0 && field < row->model->field_count; field++) {
		const struct stamp *stamp = &stamps->of[field];

		if (row->fields & UINT32_C(1) << field && uuid_cmp(&stamp->device, &txn_info(txn)->device) == 0 &&
		    hlc_ms(stamp->hlc) > txn_now_ms(txn) + HLC_AHEAD_MAX_MS)
			r = write_field_again(txn, row, field, stamp);
	}
	return r;
}

static int write_ahead_again(struct txn *txn)
{
	struct registers_cursor cursor = {.kind = 0};
	int r = 0, last = 0;

	while (r == 0 && !last) {
		_cleanup_(registers_release) struct registers piece = REGISTERS_INIT;

		r = registers_read(txn->db, REGISTERS_ALL, REGISTERS_BYTES_MAX, &cursor, &piece);
		last = r == 1;
		r = r < 0 ? r : 0;
		for (size_t i = 0; r == 0 && i < piece.set.count; i++)
			r = write_row_again(txn, &piece.set.items[i], &piece.stamps[i]);
	}
	return r;
}

/* --- the clock --- */

static int set_clock(struct txn *txn, uint64_t hlc)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LIBRARY_SET_HLC, &r);

	if (!stmt)
		return r;
	txn->clock_before = txn_hlc(txn)->last;
	txn_hlc(txn)->last = hlc;
	bind_int(stmt, 1, (int64_t)hlc);
	return stmt_run(stmt);
}

int replica_new_epoch(struct txn *txn, const struct epoch_request *request)
{
	int r, too_far = 0;

	/* A stamp that is too far ahead stays unknown to the clock. */
	if (!request->ahead)
		(void)hlc_observe(txn_hlc(txn), request->clock_after, txn_now_ms(txn));
	r = epoch_begin(txn, request->started_after);
	if (r == 0 && request->ahead)
		r = set_clock(txn, txn_now_ms(txn) << 16);
	if (r == 0 && request->ahead)
		r = too_far = cut_too_far(txn, request->keep);
	if (r >= 0 && request->keep)
		r = rewrite_all(txn, request->keep);
	return r == 0 && too_far ? write_ahead_again(txn) : r;
}
