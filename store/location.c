#include "store/location.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/audit.h"
#include "store/entry_row.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/owned.h"
#include "store/volume.h"
#include "sync/limits.h"
#include "sync/model.h"

/* --- reading --- */

int location_next(struct rows *rows, struct location *ret_location)
{
	sqlite3_stmt *stmt = rows->stmt;
	int r = stmt_step(stmt);

	if (r != 0)
		return r;
	*ret_location = (struct location){
	    .id = sqlite3_column_int64(stmt, 0),
	    .device = sqlite3_column_int64(stmt, 1),
	    .prefix = (uint64_t)sqlite3_column_int64(stmt, 2),
	    .name = (const char *)sqlite3_column_text(stmt, 3),
	    .name_len = (size_t)sqlite3_column_bytes(stmt, 3),
	    .path = (const char *)sqlite3_column_text(stmt, 4),
	    .exclude = (const char *)sqlite3_column_text(stmt, 5),
	    .root = sqlite3_column_int64(stmt, 6),
	    .volume = (uint64_t)sqlite3_column_int64(stmt, 7),
	    .identity =
		{
		    .fsid = (uint64_t)sqlite3_column_int64(stmt, 8),
		    .ino = (uint64_t)sqlite3_column_int64(stmt, 9),
		    .btime_ns = sqlite3_column_int64(stmt, 10),
		},
	    .state = (enum location_state)sqlite3_column_int(stmt, 11),
	    .scanned_ms = sqlite3_column_int64(stmt, 12),
	};
	return ret_location->name && ret_location->path && ret_location->exclude ? 0 : -ENOMEM;
}

int location_get(struct db *db, int64_t id, struct location *ret_location, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_LOCATION_GET, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	ret_rows->stmt = stmt;
	return rows_only(ret_rows, location_next(ret_rows, ret_location));
}

int location_list(struct db *db, int64_t device, int64_t after, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_LOCATION_LIST, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, device);
	bind_int(stmt, 2, after);
	ret_rows->stmt = stmt;
	return 0;
}

int location_totals(struct db *db, int64_t id, struct location_totals *ret_totals)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(db, STMT_LOCATION_TOTALS, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -EIO;
	*ret_totals = (struct location_totals){
	    .entries = (uint64_t)sqlite3_column_int64(stmt, 0),
	    .files = (uint64_t)sqlite3_column_int64(stmt, 1),
	    .bytes = (uint64_t)sqlite3_column_int64(stmt, 2),
	    .unhashed = (uint64_t)sqlite3_column_int64(stmt, 3),
	};
	return 0;
}

/* --- adding --- */

static int name_is_taken(struct txn *txn, const char *name, size_t len)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_LOCATION_NAME_TAKEN, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	bind_text(stmt, 2, name, len);
	r = stmt_step(stmt);
	return r == 0 ? -EEXIST : r < 0 ? r : 0;
}

static int insert_row(struct txn *txn, const struct location_new *new, int64_t *ret_id)
{
	const char *exclude = new->exclude ? new->exclude : "";
	sqlite3_stmt *stmt;
	int64_t version;
	int r;

	r = txn_next_version(txn, MODEL_LOCATION, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_LOCATION_INSERT, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	bind_int(stmt, 2, (int64_t)uuid_entry_prefix());
	bind_text(stmt, 3, new->name, strlen(new->name));
	bind_text(stmt, 4, new->path, strlen(new->path));
	bind_text(stmt, 5, exclude, strlen(exclude));
	bind_int(stmt, 6, version);
	r = stmt_run(stmt);
	if (r >= 0)
		*ret_id = sqlite3_last_insert_rowid(txn->db->connection);
	return r;
}

static int insert_local(struct txn *txn, int64_t id, const struct location_identity *identity)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_LOCATION_INSERT_LOCAL, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, (int64_t)identity->fsid);
	bind_int(stmt, 3, (int64_t)identity->ino);
	bind_int(stmt, 4, identity->btime_ns);
	return stmt_run(stmt);
}

static int insert_root(struct txn *txn, int64_t id, const struct location_new *new)
{
	const struct entry_place place = {.location = id, .name = ""};
	const struct entry_attr attr = {
	    .mode = S_IFDIR | (new->mode &ALLPERMS),
	    .mtime_ns = new->mtime_ns,
	    .ino = new->identity.ino,
	    .btime_ns = new->identity.btime_ns,
	};
	sqlite3_stmt *stmt;
	int64_t root;
	int r;

	r = entry_insert_row(txn, &place, &attr, &root);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_LOCATION_SET_ROOT, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, root);
	return stmt_run(stmt);
}

/* What the check looked at is the disk, which is nothing for a transaction: here only that it is still good. */
static int check_is_good(struct txn *txn, const struct location_new *new)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location other;
	int r;

	if (!new->checked)
		return 0;
	r = location_list(txn->db, txn_info(txn)->device_row, new->checked_until, &rows);
	if (r >= 0)
		r = location_next(&rows, &other);
	return r == 0 ? -ERR_STALE : r < 0 ? r : 0;
}

/* Other devices would refuse all of them. */
static int check_room(struct txn *txn)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(txn->db, STMT_LOCATION_COUNT, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -EIO;
	return sqlite3_column_int64(stmt, 0) >= OWNER_LOCATIONS_MAX ? -ERR_TOO_LARGE : 0;
}

int location_add(struct txn *txn, const struct location_new *new, int64_t *ret_id)
{
	int64_t id = 0;
	int r;

	if (!text_is_title(new->name, strlen(new->name)))
		return -EINVAL;
	r = check_is_good(txn, new);
	if (r < 0)
		return r;
	r = check_room(txn);
	if (r < 0)
		return r;
	r = name_is_taken(txn, new->name, strlen(new->name));
	if (r < 0)
		return r;
	r = insert_row(txn, new, &id);
	if (r >= 0)
		r = insert_local(txn, id, &new->identity);
	if (r >= 0)
		r = insert_root(txn, id, new);
	if (r >= 0)
		r = owned_enter(txn, MODEL_LOCATION, id);
	if (r >= 0)
		r = audit_add(txn, "location add", new->name);
	if (r >= 0)
		r = txn_notice(txn, NOTICE_LISTING, object(OBJECT_DEVICE, txn_info(txn)->device_row), 0, NULL, 0, true);
	if (r >= 0)
		*ret_id = id;
	return r;
}

/* --- changing: this device's only --- */

static int check_own(struct txn *txn, int64_t id)
{
	struct txn_location *location;
	int r;

	r = txn_location(txn, id, &location);
	if (r < 0)
		return r;
	if (location->deleted)
		return -ENOENT;
	return location->self ? 0 : -EPERM;
}

/* Before the row changes: its name and root are borrowed from it. */
static int tell_removal(struct txn *txn, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	uint64_t root;
	int r;

	r = location_get(txn->db, id, &location, &rows);
	if (r < 0)
		return r;
	root = object(OBJECT_ENTRY, location.root);
	r = txn_notice(txn, NOTICE_NAME, object(OBJECT_DEVICE, location.device), root, location.name, location.name_len,
		       true);
	if (r >= 0)
		r = txn_notice(txn, NOTICE_BELOW, 0, root, NULL, 0, true);
	return r < 0 ? r : audit_add(txn, "location remove", location.name);
}

static int mark_deleted(struct txn *txn, int64_t id)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r;

	r = txn_location_drop(txn); /* it remembers that the location is not deleted */
	if (r >= 0)
		r = owned_leave(txn, MODEL_LOCATION, id);
	if (r >= 0)
		r = txn_next_version(txn, MODEL_LOCATION, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_LOCATION_DELETE, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, version);
	return stmt_run(stmt);
}

int location_remove(struct txn *txn, int64_t id)
{
	int r;

	r = check_own(txn, id);
	if (r >= 0)
		r = tell_removal(txn, id);
	if (r >= 0)
		r = mark_deleted(txn, id);
	return r < 0 ? r : volume_tidy(txn);
}

/* 1: it has that one already. */
static int has_volume(struct txn *txn, int64_t id, uint64_t number)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_get(txn->db, id, &location, &rows);

	return r < 0 ? r : location.volume == number;
}

int location_set_volume(struct txn *txn, int64_t id, uint64_t number)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r = check_own(txn, id);

	if (r >= 0)
		r = has_volume(txn, id, number);
	if (r != 0)
		return r < 0 ? r : 0;
	r = owned_leave(txn, MODEL_LOCATION, id);
	if (r >= 0)
		r = txn_next_version(txn, MODEL_LOCATION, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_LOCATION_SET_VOLUME, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, (int64_t)number);
	bind_int(stmt, 3, version);
	r = stmt_run(stmt);
	return r < 0 ? r : owned_enter(txn, MODEL_LOCATION, id);
}

/* A statement of own location and one number. */
static int set_number(struct txn *txn, enum statement which, int64_t id, int64_t number)
{
	sqlite3_stmt *stmt;
	int r;

	r = check_own(txn, id);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, which, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, number);
	return stmt_run(stmt);
}

int location_set_state(struct txn *txn, int64_t id, enum location_state state)
{
	return set_number(txn, STMT_LOCATION_SET_STATE, id, state);
}

int location_set_scanned(struct txn *txn, int64_t id, int64_t now_ms)
{
	return set_number(txn, STMT_LOCATION_SET_SCANNED, id, now_ms);
}

int location_set_identity(struct txn *txn, int64_t id, const struct location_identity *identity)
{
	sqlite3_stmt *stmt;
	int r;

	r = check_own(txn, id);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_LOCATION_SET_IDENTITY, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, (int64_t)identity->fsid);
	bind_int(stmt, 3, (int64_t)identity->ino);
	bind_int(stmt, 4, identity->btime_ns);
	return stmt_run(stmt);
}
