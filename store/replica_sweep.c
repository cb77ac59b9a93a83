/* Entries that a full list lacks, tombstones that everybody has, and what is below deleted locations. All of it in
 * slices: doubtful rows have version 0, doomed ones -1, so that what is left to do is found by version. */
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

	for (size_t at = 0; r == 0 && at < ids->len; at += sizeof(id)) {
		memcpy(&id, ids->data + at, sizeof(id));
		r = fn(txn, id);
	}
	return r;
}

int replica_run_on(struct txn *txn, enum statement which, const struct buf *ids)
{
	int64_t id;
	int r = buf_error(ids);

	for (size_t at = 0; r >= 0 && at < ids->len; at += sizeof(id)) {
		memcpy(&id, ids->data + at, sizeof(id));
		r = run_on(txn, which, id);
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

static int doubt_location(struct incoming *in, const struct location_rows *l, void *arg)
{
	_cleanup_(buf_release) struct buf ids = BUF_INIT;
	uint64_t digest = 0;
	struct row row;
	bool full = false;
	int64_t id;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt =
	    rows_between(in->txn->db, l, (int64_t)in->range->since, (int64_t)in->range->upto, &r);

	if (!stmt)
		return r;
	while (!full && (r = stmt_step(stmt)) == 0) {
		owned_take(stmt, model_find(MODEL_ENTRY), &row);
		r = incoming_has(in, &row);
		if (r < 0)
			return r;
		if (r == 1)
			continue;
		id = id_of(stmt);
		digest += incoming_counted(in, &row);
		buf_append(&ids, &id, sizeof(id));
		full = txn_slice_ends(in->txn, 1);
	}
	if (r < 0)
		return r;
	stmt_done(&stmt);
	r = txn_location_digest(in->txn, l->location, UINT64_C(0) - digest);
	if (r >= 0)
		r = replica_run_on(in->txn, STMT_ENTRY_DOUBT, &ids);
	return r < 0 ? r : full;
}

int replica_entries_doubt(struct incoming *in)
{
	return for_each_location(in, false, doubt_location, NULL);
}

/* --- rows in batches --- */

enum { BATCH = 500 };

struct span { /* of versions */
	int64_t first, last;
};

static const struct span doubtful = {0, 0}, doomed = {-1, -1}, all = {INT64_MIN, INT64_MAX};

/* Rows of a location with these versions, BATCH at most. */
static int read_ids(struct db *db, enum statement which, int64_t location, const struct span *span, struct buf *ids)
{
	int64_t id;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, location);
	bind_int(stmt, 2, span->first);
	bind_int(stmt, 3, span->last);
	bind_int(stmt, 4, BATCH);
	while ((r = stmt_step(stmt)) == 0) {
		id = sqlite3_column_int64(stmt, 0);
		buf_append(ids, &id, sizeof(id));
	}
	return r < 0 ? r : buf_error(ids);
}

/* `fn` on each, which takes the row out of what the statement gives, until there is none or the slice ends. */
static int work_off(struct txn *txn, enum statement which, int64_t location, const struct span *span,
		    int (*fn)(struct txn *txn, int64_t id))
{
	int r;

	do {
		_cleanup_(buf_release) struct buf ids = BUF_INIT;

		r = read_ids(txn->db, which, location, span, &ids);
		if (r == 0 && ids.len == 0)
			return 0;
		if (r == 0)
			r = for_each_id(txn, &ids, fn);
	} while (r == 0);
	return r;
}

/* --- sweep --- */

static int drop_row(struct txn *txn, int64_t id)
{
	int r = run_on(txn, STMT_ENTRY_DROP, id);

	if (r >= 0)
		r = run_on(txn, STMT_ENTRY_DROP_LOCAL, id);
	return r < 0 ? r : txn_slice_ends(txn, 1);
}

enum needed { NEEDED_NOT, NEEDED_AS_ROOT, NEEDED_BY_CHILDREN };

static int is_needed(struct txn *txn, int64_t id, enum needed *ret_needed)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_ENTRY_IS_NEEDED, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_needed = (enum needed)sqlite3_column_int(stmt, 0);
	return r == 1 ? -EIO : r;
}

static int drop(struct txn *txn, int64_t id, enum needed needed)
{
	int r;

	if (needed == NEEDED_NOT)
		return drop_row(txn, id);
	r = run_on(txn, STMT_ENTRY_UNMAKE, id);
	return r < 0 ? r : txn_slice_ends(txn, 1);
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

/* All are doomed first, which hides them: so what hangs only on others that go does not keep them. */
static int doom(struct txn *txn, int64_t id)
{
	int r = tell_swept(txn, id);

	if (r >= 0)
		r = run_on(txn, STMT_ENTRY_DOOM, id);
	return r < 0 ? r : txn_slice_ends(txn, 1);
}

static int doom_location(struct incoming *in, const struct location_rows *l, void *arg)
{
	int r = work_off(in->txn, STMT_ENTRY_BETWEEN, l->location, &doubtful, doom);

	return r != 0 ? r : work_off(in->txn, STMT_ENTRY_BETWEEN, l->location, arg, doom);
}

int replica_entries_doom(struct incoming *in, uint64_t head)
{
	struct span above = {(int64_t)head + 1, INT64_MAX};

	return for_each_location(in, false, doom_location, &above);
}

/* The root of a location that came before its entries stays as a stub. Live rows below one that the list lacks are what
 * no owner has, unless it removed their location while it was listed and that has not been heard of here. */
static int sweep(struct txn *txn, int64_t id)
{
	enum needed needed = NEEDED_NOT;
	int r = is_needed(txn, id, &needed);

	if (r == 0 && needed == NEEDED_BY_CHILDREN)
		r = -ERR_ORPHANS;
	return r < 0 ? r : drop(txn, id, needed);
}

static int sweep_location(struct incoming *in, const struct location_rows *l, void *arg)
{
	return work_off(in->txn, STMT_ENTRY_BETWEEN, l->location, &doomed, sweep);
}

int replica_entries_sweep(struct incoming *in)
{
	return for_each_location(in, false, sweep_location, NULL);
}

int replica_entries_open(struct incoming *in)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(in->txn->db, STMT_ENTRY_OPEN, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, in->device);
	r = stmt_step(stmt);
	return r == 0 ? sqlite3_column_int(stmt, 0) : r < 0 ? r : -EIO;
}

/* --- purge --- */

/* What something live hangs on stays as a stub. */
static int purge(struct txn *txn, int64_t id)
{
	enum needed needed = NEEDED_NOT;
	int r = is_needed(txn, id, &needed);

	return r < 0 ? r : drop(txn, id, needed);
}

static int purge_location(struct incoming *in, const struct location_rows *l, void *arg)
{
	return work_off(in->txn, STMT_ENTRY_TOMBSTONES, l->location, arg, purge);
}

int replica_entries_purge(struct txn *txn, int64_t device, uint64_t upto)
{
	struct incoming in = {.txn = txn, .device = device};
	struct span span = {1, (int64_t)upto};

	return for_each_location(&in, true, purge_location, &span);
}

/* --- deleted locations --- */

int replica_empty(struct txn *txn, int64_t id)
{
	struct txn_location *location;
	int r = txn_location(txn, id, &location);

	if (r == 0)
		r = txn_location_digest(txn, id, UINT64_C(0) - location->next_seq.digest);
	return r < 0 ? r : work_off(txn, STMT_ENTRY_BETWEEN, id, &all, drop_row);
}

int replica_empty_next(struct txn *txn)
{
	int64_t id = 0;
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOCATION_TO_EMPTY, &r);

	if (!stmt)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : 0;
	id = sqlite3_column_int64(stmt, 0);
	stmt_done(&stmt);
	stmt = NULL;
	r = replica_empty(txn, id);
	return r < 0 ? r : 1; /* another one, perhaps */
}
