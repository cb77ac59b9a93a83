#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/apply.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "store/replica_internal.h"
#include "sync/record.h"

/* --- reading --- */

static int append_records(struct db *db, int64_t origin, const struct range_request *q, struct range *range,
			  struct buf *body)
{
	size_t before = body->len;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_LOG_AFTER, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)q->since);
	while (range->upto - q->since < q->max_rows && (body->len - before < q->max_bytes || range->upto == q->since)) {
		r = stmt_step(stmt);
		if (r != 0)
			break;
		if ((uint64_t)sqlite3_column_int64(stmt, 0) != range->upto + 1)
			return -ERR_CORRUPT; /* a hole */
		record_append(body, sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1));
		range->upto++;
	}
	return r < 0 ? r : buf_error(body);
}

int replica_read_log(struct db *db, const struct range_request *q, struct range *range, struct buf *body)
{
	static const uint8_t zeros[HASH_LEN];
	struct streams_origin origin;
	struct oplog_position at;
	struct stream s;
	int r = streams_get(db, &q->stream, &s);

	if (r == 0)
		r = streams_find_origin(db, &q->stream.origin, &origin);
	if (r < 0)
		return r;
	if (q->since > s.position)
		return -ERR_STALE;
	if (q->since < s.floor)
		return -ERR_CUT;
	r = oplog_at(db, origin.id, q->since, &at);
	if (r < 0)
		return r == -ENOENT ? -ERR_CORRUPT : r;
	if (memcmp(q->hash, zeros, HASH_LEN) != 0 && memcmp(q->hash, at.hash, HASH_LEN) != 0)
		return -ERR_FORKED;
	range->started = s.started;
	range->since = range->upto = q->since;
	range->head = s.position;
	memcpy(range->hash, at.hash, HASH_LEN);
	return append_records(db, origin.id, q, range, body);
}

/* --- applying --- */

struct log_in {
	struct txn *txn;
	const struct range *range;
	int64_t origin;
	struct oplog_position head; /* of this device */
	uint64_t seq;		    /* of the record at hand */
	uint64_t last_hlc;	    /* of the record before it */
	uint8_t hash[HASH_LEN];	    /* running hash of the range */
	uint64_t held_hlc;
	uint64_t now_ms;
	bool full; /* the slice */
};

static int store_record(struct log_in *in, const struct change_set *set, uint64_t hlc, const uint8_t *record,
			size_t len)
{
	const struct stamp stamp = {.hlc = hlc, .device = in->range->stream.origin.device};
	int r = apply_change_set(in->txn, set, &stamp);

	if (r >= 0)
		r = oplog_append(in->txn, in->origin, &in->head, hlc, record, len);
	return r < 0 ? r : hlc_observe(txn_hlc(in->txn), hlc, in->now_ms);
}

/* Records that this device has, by an earlier slice or not, are only rolled into the hash; those behind one that is held
 * are only checked. 1: the slice was full before. */
static int take_record(struct log_in *in, const uint8_t *record, size_t len)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	uint64_t hlc;
	int r;

	if (in->seq == in->head.seq && in->held_hlc == 0 && memcmp(in->hash, in->head.hash, HASH_LEN) != 0)
		return -ERR_FORKED;
	change_running_hash(in->hash, record, len, in->hash);
	in->seq++;
	if (in->seq <= in->head.seq)
		return 0;
	if (in->full)
		return 1;
	r = change_set_decode(record, len, &hlc, &set);
	if (r == 0 && hlc <= in->last_hlc)
		r = -ERR_MALFORMED;
	if (r < 0)
		return r;
	in->last_hlc = hlc;
	if (in->held_hlc == 0 && hlc_ms(hlc) > in->now_ms + HLC_AHEAD_MAX_MS)
		in->held_hlc = hlc;
	if (in->held_hlc != 0)
		return 0;
	in->full = txn_slice_ends(in->txn, (unsigned)set.count);
	return store_record(in, &set, hlc, record, len);
}

static int take_records(struct log_in *in)
{
	struct cursor c = cursor_on(in->range->body, in->range->body_len);
	const uint8_t *record;
	size_t len;
	int r;

	memcpy(in->hash, in->range->hash, HASH_LEN);
	while ((r = record_next(&c, &record, &len)) == 0) {
		r = take_record(in, record, len);
		if (r != 0)
			return r;
	}
	return r < 0 ? r : 0;
}

int replica_apply_log(struct txn *txn, const struct range *range, uint64_t now_ms, struct applied *applied)
{
	struct log_in in = {.txn = txn, .range = range, .seq = range->since, .now_ms = now_ms};
	int more = 0, r = streams_take_origin(txn, &range->stream.origin, range->started, &in.origin);

	if (r == 0)
		r = oplog_head(txn->db, in.origin, &in.head);
	if (r < 0)
		return r;
	if (in.head.seq < range->since)
		return -ERR_STALE;
	in.last_hlc = in.head.hlc;
	if (in.head.seq < range->upto)
		r = more = take_records(&in);
	if (r >= 0)
		r = streams_get(txn->db, &range->stream, &applied->stream);
	applied->held_hlc = in.held_hlc;
	return r < 0 ? r : more;
}
