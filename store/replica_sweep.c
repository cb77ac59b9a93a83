/* Entries that a full list lacks, and tombstones that everybody has. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/entry_row.h"
#include "store/internal.h"
#include "store/owned.h"
#include "store/replica_internal.h"

static int run_on(struct txn *txn, enum statement which, int64_t id)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, which, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	return stmt_run(stmt);
}

static int for_each_id(struct txn *txn, const struct buf *ids, int (*fn)(struct txn *txn, int64_t id))
{
	int64_t id;
	int r = buf_error(ids);

	for (size_t at = 0; r >= 0 && at < ids->len; at += sizeof(id)) {
		memcpy(&id, ids->data + at, sizeof(id));
		r = fn(txn, id);
	}
	return r;
}

static int for_each_location(struct incoming *in, bool deleted_too,
			     int (*fn)(struct incoming *in, const struct location_rows *l, void *arg), void *arg)
{
	_cleanup_(buf_release) struct buf locations = BUF_INIT;
	struct location_rows ref;
	int r = replica_locations(in->txn->db, in->device, deleted_too, &locations);

	for (size_t at = 0; r == 0 && at < locations.len; at += sizeof(ref)) {
		memcpy(&ref, locations.data + at, sizeof(ref));
		r = fn(in, &ref, arg);
	}
	return r;
}

static sqlite3_stmt *rows_between(struct db *db, const struct location_rows *l, int64_t since, int64_t upto,
				  int *ret_error)
{
	sqlite3_stmt *stmt = db_stmt(db, STMT_ENTRY_AFTER, ret_error);

	if (!stmt)
		return NULL;
	bind_int(stmt, 1, l->location);
	bind_int(stmt, 2, since);
	bind_int(stmt, 3, upto);
	bind_int(stmt, 4, (int64_t)l->prefix);
	return stmt;
}

static int64_t id_of(sqlite3_stmt *stmt)
{
	return sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 2);
}

/* --- doubt --- */

static int make_doubtful(struct txn *txn, int64_t id)
{
	return run_on(txn, STMT_ENTRY_DOUBT, id);
}

static int doubt_location(struct incoming *in, const struct location_rows *l, void *arg)
{
	_cleanup_(buf_release) struct buf ids = BUF_INIT;
	uint64_t digest = 0;
	struct row row;
	int64_t id;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt =
	    rows_between(in->txn->db, l, (int64_t)in->range->since, (int64_t)in->range->upto, &r);

	if (!stmt)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		owned_take(stmt, model_find(MODEL_ENTRY), &row);
		r = incoming_has(in, row.key);
		if (r < 0)
			return r;
		if (r == 1)
			continue;
		id = id_of(stmt);
		digest += incoming_counted(in, &row);
		buf_append(&ids, &id, sizeof(id));
	}
	if (r < 0)
		return r;
	stmt_done(&stmt);
	r = txn_location_digest(in->txn, l->location, UINT64_C(0) - digest);
	return r < 0 ? r : for_each_id(in->txn, &ids, make_doubtful);
}

int replica_entries_doubt(struct incoming *in)
{
	return for_each_location(in, false, doubt_location, NULL);
}

/* --- sweep --- */

static int hide(struct txn *txn, int64_t id)
{
	return run_on(txn, STMT_ENTRY_HIDE, id);
}

/* What something live hangs on stays as a stub: its children may be of a later version of the same directory. */
static int drop(struct txn *txn, int64_t id)
{
	int r = 0, needed = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_ENTRY_IS_NEEDED, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	r = stmt_step(stmt);
	if (r == 0)
		needed = sqlite3_column_int(stmt, 0);
	stmt_done(&stmt);
	if (r < 0)
		return r;
	if (needed)
		return run_on(txn, STMT_ENTRY_UNMAKE, id);
	r = run_on(txn, STMT_ENTRY_DROP, id);
	return r < 0 ? r : run_on(txn, STMT_ENTRY_DROP_LOCAL, id);
}

static int tell_swept(struct txn *txn, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	char name[TEXT_NAME_MAX];
	struct entry entry;
	int r;

	if (!txn->collects)
		return 0;
	r = entry_get(txn->db, id, &entry, &rows);
	if (r < 0 || entry.deleted || entry.name_len == 0 || entry.name_len > sizeof(name))
		return r;
	memcpy(name, entry.name, entry.name_len);
	entry.name = name;
	rows_release(&rows);
	r = entry_tell_gone(txn, &entry);
	return r < 0 ? r : entry_tell_links(txn, &entry, entry.has_content ? entry.content : NULL);
}

static int collect(struct incoming *in, const struct location_rows *l, int64_t since, int64_t upto, struct buf *ids,
		   uint64_t *digest)
{
	struct row row;
	int64_t id;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = rows_between(in->txn->db, l, since, upto, &r);

	if (!stmt)
		return r;
	while ((r = stmt_step(stmt)) == 0) {
		owned_take(stmt, model_find(MODEL_ENTRY), &row);
		*digest += incoming_counted(in, &row);
		id = id_of(stmt);
		buf_append(ids, &id, sizeof(id));
	}
	return r < 0 ? r : buf_error(ids);
}

/* All are hidden first: so what hangs only on others that go does not keep them. */
static int sweep_location(struct incoming *in, const struct location_rows *l, void *arg)
{
	_cleanup_(buf_release) struct buf ids = BUF_INIT;
	uint64_t digest = 0;
	int r = collect(in, l, -1, 0, &ids, &digest);

	if (r == 0)
		r = collect(in, l, *(const int64_t *)arg, INT64_MAX, &ids, &digest);
	if (r == 0)
		r = txn_location_digest(in->txn, l->location, UINT64_C(0) - digest);
	if (r == 0)
		r = for_each_id(in->txn, &ids, tell_swept);
	if (r == 0)
		r = for_each_id(in->txn, &ids, hide);
	return r < 0 ? r : for_each_id(in->txn, &ids, drop);
}

int replica_entries_sweep(struct incoming *in, uint64_t head)
{
	int64_t above = (int64_t)head;

	return for_each_location(in, false, sweep_location, &above);
}

/* --- purge --- */

struct purge {
	int64_t upto;
	bool yields;
};

/* One piece after `*after`, which moves. 1: that was all. */
static int purge_piece(struct txn *txn, int64_t location, int64_t *after, int64_t upto)
{
	_cleanup_(buf_release) struct buf ids = BUF_INIT;
	int64_t id;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_ENTRY_TOMBSTONES, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, location);
	bind_int(stmt, 2, *after);
	bind_int(stmt, 3, upto);
	while ((r = stmt_step(stmt)) == 0) {
		id = sqlite3_column_int64(stmt, 0);
		*after = sqlite3_column_int64(stmt, 1);
		buf_append(&ids, &id, sizeof(id));
	}
	if (r < 0)
		return r;
	stmt_done(&stmt);
	r = for_each_id(txn, &ids, drop);
	return r < 0 ? r : ids.len == 0;
}

static int purge_location(struct incoming *in, const struct location_rows *l, void *arg)
{
	struct purge *purge = arg;
	int64_t after = 0;
	int r = 0;

	while (r == 0 && !purge->yields) {
		r = purge_piece(in->txn, l->location, &after, purge->upto);
		purge->yields = r == 0 && txn_should_yield(in->txn);
	}
	return r < 0 ? r : 0;
}

int replica_entries_purge(struct txn *txn, int64_t device, uint64_t upto)
{
	struct incoming in = {.txn = txn, .device = device};
	struct purge purge = {.upto = (int64_t)upto};
	int r = for_each_location(&in, true, purge_location, &purge);

	return r < 0 ? r : purge.yields;
}
