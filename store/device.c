#include "store/device.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/internal.h"
#include "store/oplog.h"

int device_next(struct rows *rows, struct device *ret_device)
{
	sqlite3_stmt *stmt = rows->stmt;
	int r = stmt_step(stmt);

	if (r != 0)
		return r;
	if (sqlite3_column_bytes(stmt, 1) != UUID_LEN)
		return -ERR_CORRUPT;
	*ret_device = (struct device){
	    .id = sqlite3_column_int64(stmt, 0),
	    .name = (const char *)sqlite3_column_text(stmt, 2),
	    .name_len = (size_t)sqlite3_column_bytes(stmt, 2),
	    .member = sqlite3_column_int(stmt, 3) != 0,
	    .self = sqlite3_column_int64(stmt, 0) == rows_db(rows)->store->info.device_row,
	};
	memcpy(ret_device->uuid.bytes, sqlite3_column_blob(stmt, 1), UUID_LEN);
	return 0;
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

int device_list(struct db *db, int64_t after, struct rows *ret_rows)
{
	return query(db, STMT_DEVICE_LIST, after, ret_rows);
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
