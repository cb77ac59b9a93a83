#include "store/device.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "base/text.h"
#include "store/internal.h"
#include "store/oplog.h"

static int take_uuid(sqlite3_stmt *stmt, int column, struct uuid *ret_uuid)
{
	if (sqlite3_column_bytes(stmt, column) != UUID_LEN)
		return -ERR_CORRUPT;
	memcpy(ret_uuid->bytes, sqlite3_column_blob(stmt, column), UUID_LEN);
	return 0;
}

static struct stamp take_stamp(sqlite3_stmt *stmt, int column)
{
	if (sqlite3_column_bytes(stmt, column) != STAMP_LEN)
		return (struct stamp){0}; /* never written */
	return stamp_decode(sqlite3_column_blob(stmt, column));
}

int device_next(struct rows *rows, struct device *ret_device)
{
	sqlite3_stmt *stmt = rows->stmt;
	struct device device;
	int r = stmt_step(stmt);

	if (r != 0)
		return r;
	device = (struct device){
	    .id = sqlite3_column_int64(stmt, 0),
	    .name = (const char *)sqlite3_column_text(stmt, 2),
	    .name_len = (size_t)sqlite3_column_bytes(stmt, 2),
	    .member = sqlite3_column_int(stmt, 3) != 0,
	    .self = sqlite3_column_int64(stmt, 0) == rows_db(rows)->store->info.device_row,
	    .added_at = take_stamp(stmt, 6),
	    .member_at = take_stamp(stmt, 7),
	};
	if (sqlite3_column_bytes(stmt, 4) == KEY_PUBLIC_LEN)
		device.public_key = sqlite3_column_blob(stmt, 4);
	if (sqlite3_column_bytes(stmt, 5) > 0)
		r = take_uuid(stmt, 5, &device.added_by);
	if (r == 0)
		r = take_uuid(stmt, 1, &device.uuid);
	if (r == 0)
		*ret_device = device;
	return r;
}

static int query(struct db *db, enum statement which, int64_t id, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, which, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	ret_rows->stmt = stmt;
	return 0;
}

int device_get(struct db *db, int64_t id, struct device *ret_device, struct rows *ret_rows)
{
	int r = query(db, STMT_DEVICE_GET, id, ret_rows);

	return r < 0 ? r : rows_only(ret_rows, device_next(ret_rows, ret_device));
}

int device_find(struct db *db, const struct uuid *uuid, struct device *ret_device, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_DEVICE_FIND, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, uuid->bytes, UUID_LEN);
	ret_rows->stmt = stmt;
	return rows_only(ret_rows, device_next(ret_rows, ret_device));
}

int device_list(struct db *db, int64_t after, struct rows *ret_rows)
{
	return query(db, STMT_DEVICE_LIST, after, ret_rows);
}

int device_list_all(struct db *db, int64_t after, struct rows *ret_rows)
{
	return query(db, STMT_DEVICE_LIST_ALL, after, ret_rows);
}

int device_is_member(struct db *db, const struct uuid *uuid)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_DEVICE_IS_MEMBER, &r);

	if (!stmt)
		return r;
	bind_blob(stmt, 1, uuid->bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : 0;
	return sqlite3_column_int(stmt, 0) == 1;
}

int device_discovery_key(struct db *db, uint8_t ret_key[MODEL_DISCOVERY_LEN])
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(db, STMT_DEVICE_DISCOVERY_KEY, &r);

	if (!stmt)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	memcpy(ret_key, sqlite3_column_blob(stmt, 0), MODEL_DISCOVERY_LEN);
	return 0;
}

/* --- changing --- */

/* A new discovery key in the row of this device. */
static int renew_discovery(struct change_set *set, struct change *own)
{
	uint8_t key[MODEL_DISCOVERY_LEN];

	random_bytes(key, sizeof(key));
	return change_put_bytes(set, own, DEVICE_DISCOVERY, key, sizeof(key));
}

/* -EEXIST for a member, -EPERM for one that was removed; a row that is only known by name is no obstacle. */
static int check_is_new(struct txn *txn, const struct uuid *uuid, int64_t *ret_id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_find(txn->db, uuid, &device, &rows);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (ret_id)
		*ret_id = device.id;
	if (device.member)
		return -EEXIST;
	return device.member_at.hlc != 0 ? -EPERM : 0;
}

static int gather_new(struct change_set *set, const struct uuid *uuid, const uint8_t public_key[KEY_PUBLIC_LEN],
		      const char *name, size_t len, const struct uuid *added_by, struct change **ret_change)
{
	struct change *change;
	int r = change_set_add(set, MODEL_DEVICE, uuid, NULL, &change);

	if (r >= 0)
		r = change_put_bytes(set, change, DEVICE_NAME, name, len);
	if (r >= 0)
		r = change_put_bytes(set, change, DEVICE_PUBLIC_KEY, public_key, KEY_PUBLIC_LEN);
	if (r >= 0)
		r = change_put_number(change, DEVICE_MEMBER, 1);
	if (r >= 0)
		r = change_put_bytes(set, change, DEVICE_ADDED_BY, added_by->bytes, UUID_LEN);
	if (r >= 0)
		*ret_change = change;
	return r;
}

static int row_of(struct txn *txn, const struct uuid *uuid, int64_t *ret_id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_find(txn->db, uuid, &device, &rows);

	if (r >= 0)
		*ret_id = device.id;
	return r;
}

int device_add(struct txn *txn, const uint8_t public_key[KEY_PUBLIC_LEN], const char *name, size_t len,
	       const struct uuid *added_by, int64_t *ret_id)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	const struct uuid *self = &txn_info(txn)->device;
	struct uuid uuid = key_id_of_public(public_key);
	struct change *change;
	int r;

	if (!text_is_title(name, len))
		return -EINVAL;
	r = check_is_new(txn, &uuid, ret_id);
	if (r < 0)
		return r;
	r = gather_new(&set, &uuid, public_key, name, len, added_by ? added_by : self, &change);
	if (r >= 0 && uuid_cmp(&uuid, self) == 0) /* the first member brings the first discovery key */
		r = renew_discovery(&set, change);
	if (r >= 0)
		r = oplog_commit(txn, &set);
	return r < 0 || !ret_id ? r : row_of(txn, &uuid, ret_id);
}

/* What device_rename must know. `ret_same`: the device has that name already. */
static int find(struct txn *txn, int64_t id, const char *name, size_t len, struct uuid *ret_uuid, bool *ret_same)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r;

	r = device_get(txn->db, id, &device, &rows);
	if (r < 0)
		return r;
	*ret_uuid = device.uuid;
	*ret_same = device.name_len == len && memcmp(device.name, name, len) == 0;
	return 0;
}

int device_rename(struct txn *txn, int64_t id, const char *name, size_t len)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct change *change;
	struct uuid uuid;
	bool same;
	int r;

	if (!text_is_title(name, len))
		return -EINVAL;
	r = find(txn, id, name, len, &uuid, &same);
	if (r < 0 || same)
		return r;
	r = change_set_add(&set, MODEL_DEVICE, &uuid, NULL, &change);
	if (r >= 0)
		r = change_put_bytes(&set, change, DEVICE_NAME, name, len);
	return r < 0 ? r : oplog_commit(txn, &set);
}

static int gather_removal(struct change_set *set, const struct uuid *removed, const struct uuid *self)
{
	struct change *change;
	int r = change_set_add(set, MODEL_DEVICE, removed, NULL, &change);

	if (r >= 0)
		r = change_put_number(change, DEVICE_MEMBER, 0);
	if (r >= 0)
		r = change_set_add(set, MODEL_DEVICE, self, NULL, &change);
	return r < 0 ? r : renew_discovery(set, change);
}

int device_remove(struct txn *txn, int64_t id)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_get(txn->db, id, &device, &rows);

	if (r >= 0 && !device.member)
		r = -ENOENT;
	if (r >= 0 && device.self)
		r = -EPERM;
	if (r < 0)
		return r;
	r = gather_removal(&set, &device.uuid, &txn_info(txn)->device);
	rows_release(&rows);
	return r < 0 ? r : oplog_commit(txn, &set);
}
