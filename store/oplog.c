#include "store/oplog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/apply.h"
#include "store/forget.h"
#include "store/internal.h"
#include "store/txn.h"
#include "sync/hlc.h"

/* The log of an origin is 1, 2, 3 ... without holes; records up to its cut are gone. The running hash covers all of them
 * from the first on, so each record keeps it, and the origin that of its cut. */

/* H(0) is 32 zero bytes; the column is empty then. */
static void take_hash(sqlite3_stmt *stmt, int column, uint8_t ret_hash[HASH_LEN])
{
	memset(ret_hash, 0, HASH_LEN);
	if (sqlite3_column_bytes(stmt, column) == HASH_LEN)
		memcpy(ret_hash, sqlite3_column_blob(stmt, column), HASH_LEN);
}

static int read_position(sqlite3_stmt *stmt, struct oplog_position *ret_position)
{
	int r = stmt_step(stmt);

	if (r != 0)
		return r < 0 ? r : -ENOENT;
	ret_position->seq = (uint64_t)sqlite3_column_int64(stmt, 0);
	take_hash(stmt, 1, ret_position->hash);
	ret_position->hlc = (uint64_t)sqlite3_column_int64(stmt, 2);
	ret_position->digest = (uint64_t)sqlite3_column_int64(stmt, 3);
	return 0;
}

int oplog_head(struct db *db, int64_t origin, struct oplog_position *ret_head)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_LOG_HEAD, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, origin);
	r = read_position(stmt, ret_head);
	return r == -ENOENT ? -ERR_CORRUPT : r;
}

int oplog_at(struct db *db, int64_t origin, uint64_t seq, struct oplog_position *ret_position)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_LOG_AT, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)seq);
	return read_position(stmt, ret_position);
}

int oplog_append(struct txn *txn, int64_t origin, struct oplog_position *head, uint64_t hlc, const void *record, size_t len)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOG_APPEND, &r);

	if (stmt == NULL)
		return r;
	change_running_hash(head->hash, record, len, head->hash);
	head->seq++;
	head->hlc = hlc;
	head->digest += txn->shared_delta;
	txn->shared_delta = 0;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)head->seq);
	bind_int(stmt, 3, (int64_t)hlc);
	bind_blob(stmt, 4, head->hash, HASH_LEN);
	bind_blob(stmt, 5, record, len);
	bind_int(stmt, 6, (int64_t)head->digest);
	return stmt_run(stmt);
}

static int read_digest(struct txn *txn, uint64_t *ret_digest)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_SHARED_DIGEST, &r);

	if (stmt == NULL)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_CORRUPT;
	*ret_digest = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

int oplog_settle(struct txn *txn)
{
	uint64_t digest = 0;
	sqlite3_stmt *stmt;
	int r;

	if (txn->shared_delta == 0)
		return 0;
	r = read_digest(txn, &digest);
	stmt = r < 0 ? NULL : db_stmt(txn->db, STMT_SHARED_SET_DIGEST, &r);
	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, (int64_t)(digest + txn->shared_delta));
	txn->shared_delta = 0;
	return stmt_run(stmt);
}

static int commit(struct txn *txn, const struct change_set *set, const struct stamp *over)
{
	struct stamp stamp = { .device = txn_info(txn)->device };
	_cleanup_(buf_release) struct buf record = BUF_INIT;
	struct oplog_position head;
	int r;

	if (set->count == 0)
		return 0;
	r = oplog_head(txn->db, txn_origin(txn), &head);
	if (r == 0)
		r = oplog_settle(txn);
	if (r < 0)
		return r;
	stamp.hlc = hlc_tick(txn_hlc(txn), txn_now_ms(txn));
	r = change_set_encode(set, stamp.hlc, &record);
	if (r == 0 && over != NULL)
		r = forget_stamp(txn, set, over);
	if (r == 0)
		r = apply_change_set(txn, set, &stamp);
	return r < 0 ? r : oplog_append(txn, txn_origin(txn), &head, stamp.hlc, record.data, record.len);
}

int oplog_commit(struct txn *txn, const struct change_set *set)
{
	return commit(txn, set, NULL);
}

int oplog_commit_again(struct txn *txn, const struct change_set *set, const struct stamp *over)
{
	return commit(txn, set, over);
}

/* --- cutting --- */

enum { CUT_RECORDS = 500 }; /* at once: a record may be long */

static int cut_piece(struct txn *txn, int64_t origin, const struct oplog_position *at)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOG_CUT, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)at->seq);
	r = stmt_run(stmt);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_LOG_SET_CUT, &r);
	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)at->seq);
	bind_int(stmt, 3, (int64_t)at->hlc);
	bind_blob(stmt, 4, at->hash, HASH_LEN);
	bind_int(stmt, 5, (int64_t)at->digest);
	return stmt_run(stmt);
}

static int read_cut(struct txn *txn, int64_t origin, uint64_t *ret_cut)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOG_CUT_AT, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, origin);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	*ret_cut = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

int oplog_cut_to(struct txn *txn, int64_t origin, uint64_t upto)
{
	struct oplog_position at = { .seq = 0 };
	int r = read_cut(txn, origin, &at.seq);

	while (r == 0 && at.seq < upto) {
		r = oplog_at(txn->db, origin, upto - at.seq > CUT_RECORDS ? at.seq + CUT_RECORDS : upto, &at);
		if (r == 0)
			r = cut_piece(txn, origin, &at);
		if (r == 0 && at.seq < upto && txn_slice_ends(txn, CUT_RECORDS))
			return 1;
	}
	return r;
}

static int remove_after(struct txn *txn, int64_t origin, uint64_t after)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOG_TRUNCATE, &r);

	if (stmt == NULL)
		return r;
	bind_int(stmt, 1, origin);
	bind_int(stmt, 2, (int64_t)after);
	return stmt_run(stmt);
}

int oplog_truncate(struct txn *txn, int64_t origin, uint64_t after)
{
	struct oplog_position head, at;
	int r = oplog_head(txn->db, origin, &head);

	if (r == 0)
		r = oplog_at(txn->db, origin, after, &at);
	if (r < 0)
		return r;
	txn->shared_delta += head.digest - at.digest;
	return remove_after(txn, origin, after);
}

/* Cut first, in slices: a log that ends where it is cut is a log, too. */
int oplog_adopt(struct txn *txn, int64_t origin, const struct oplog_position *at)
{
	struct oplog_position end = *at, head;
	int r = oplog_head(txn->db, origin, &head);

	if (r == 0)
		r = oplog_cut_to(txn, origin, head.seq);
	if (r != 0)
		return r;
	end.digest = head.digest;
	return cut_piece(txn, origin, &end);
}

static int count_members(struct txn *txn, int64_t *ret_count)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOG_MEMBERS, &r);

	if (stmt == NULL)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_CORRUPT;
	*ret_count = sqlite3_column_int64(stmt, 0);
	return 0;
}

int oplog_cut(struct txn *txn)
{
	struct oplog_position head;
	int64_t members = 0;
	int r = count_members(txn, &members);

	/* Acknowledgements of others come with replication; a device alone has acknowledged all that it has. */
	if (r < 0 || members > 1)
		return r;
	r = oplog_head(txn->db, txn_origin(txn), &head);
	if (r == 0)
		r = oplog_cut_to(txn, txn_origin(txn), head.seq);
	return r < 0 ? r : 0;
}

/* --- verifying --- */

struct verify {
	void (*say)(void *arg, const char *finding);
	void *arg;
	int findings;
};

__attribute__((format(printf, 2, 3))) static void found(struct verify *v, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	v->findings++;
	if (v->say != NULL)
		v->say(v->arg, line);
}

static int verify_record(struct verify *v, const uint8_t *record, size_t len, int64_t origin, int64_t seq, uint64_t *hlc)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	uint64_t at = 0;
	int r = change_set_decode(record, len, &at, &set);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		found(v, "log: record %lld of origin %lld cannot be read (%s)", (long long)seq, (long long)origin, err_str(r));
	else if (at <= *hlc)
		found(v, "log: record %lld of origin %lld is not newer than the one before it", (long long)seq, (long long)origin);
	*hlc = at;
	return 0;
}

/* The log of one origin, from its cut on. */
static int verify_origin(struct db *db, struct verify *v, sqlite3_stmt *origins)
{
	int64_t origin = sqlite3_column_int64(origins, 0), seq = sqlite3_column_int64(origins, 1);
	uint64_t hlc = (uint64_t)sqlite3_column_int64(origins, 2);
	uint8_t hash[HASH_LEN], kept[HASH_LEN];
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_LOG_RECORDS, &r);

	if (stmt == NULL)
		return r;
	take_hash(origins, 3, hash);
	bind_int(stmt, 1, origin);
	while ((r = stmt_step(stmt)) == 0) {
		const uint8_t *record = sqlite3_column_blob(stmt, 3);
		size_t len = (size_t)sqlite3_column_bytes(stmt, 3);

		seq++;
		if (sqlite3_column_int64(stmt, 0) != seq) {
			found(v, "log: origin %lld lacks record %lld", (long long)origin, (long long)seq);
			seq = sqlite3_column_int64(stmt, 0);
		}
		r = verify_record(v, record, len, origin, seq, &hlc);
		if (r < 0)
			return r;
		if (hlc != (uint64_t)sqlite3_column_int64(stmt, 1))
			found(v, "log: record %lld of origin %lld has another time than its row", (long long)seq, (long long)origin);
		change_running_hash(hash, record, len, hash);
		take_hash(stmt, 2, kept);
		if (memcmp(kept, hash, HASH_LEN) != 0) {
			found(v, "log: the running hash of origin %lld does not fit record %lld", (long long)origin,
			      (long long)seq);
			memcpy(hash, kept, HASH_LEN); /* one finding for one damaged record */
		}
	}
	return r < 0 ? r : 0;
}

int oplog_verify(struct db *db, void (*say)(void *arg, const char *finding), void *arg)
{
	struct verify v = { .say = say, .arg = arg };
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_LOG_ORIGINS, &r);

	if (stmt == NULL)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		r = verify_origin(db, &v, stmt);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : v.findings;
}
