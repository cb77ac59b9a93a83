#include "store/volume.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"
#include "store/location.h"
#include "store/owned.h"
#include "sync/model.h"

/* --- reading --- */

static int read_row(sqlite3_stmt *stmt, struct volume *ret_volume)
{
	int r = stmt_step(stmt);

	if (r != 0)
		return r;
	*ret_volume = (struct volume){
	    .device = sqlite3_column_int64(stmt, 1),
	    .number = (uint64_t)sqlite3_column_int64(stmt, 2),
	    .name = (const char *)sqlite3_column_text(stmt, 3),
	    .filesystem = (const char *)sqlite3_column_text(stmt, 4),
	    .capacity_bytes = (uint64_t)sqlite3_column_int64(stmt, 5),
	};
	return ret_volume->name && ret_volume->filesystem ? 0 : -ENOMEM;
}

int volume_get(struct db *db, int64_t device, uint64_t number, struct volume *ret_volume, struct rows *ret_rows)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(db, STMT_VOLUME_GET, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, device);
	bind_int(stmt, 2, (int64_t)number);
	ret_rows->stmt = stmt;
	return rows_only(ret_rows, read_row(stmt, ret_volume));
}

/* --- comparing --- */

static bool is_close(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= (a > b ? a : b) / 100;
}

/* Whether it is stored like that, and live. */
static int is_stored(struct db *db, int64_t device, const struct volume *volume)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct volume old;
	int r = volume_get(db, device, volume->number, &old, &rows);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return strcmp(old.name, volume->name) == 0 && strcmp(old.filesystem, volume->filesystem) == 0 &&
	       is_close(old.capacity_bytes, volume->capacity_bytes);
}

int volume_is_recorded(struct db *db, int64_t location, const struct volume *volume)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location row;
	int r = location_get(db, location, &row, &rows);

	if (r < 0)
		return r;
	return row.volume == volume->number ? is_stored(db, row.device, volume) : 0;
}

/* --- writing: this device's only --- */

/* By number, also of one that is deleted. 1: there is none. */
static int find_id(struct txn *txn, uint64_t number, int64_t *ret_id)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_VOLUME_FIND, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	bind_int(stmt, 2, (int64_t)number);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_id = sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 1);
	return r;
}

static int put_row(struct txn *txn, const struct volume *volume)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r = txn_next_version(txn, MODEL_VOLUME, &version);

	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_VOLUME_PUT, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	bind_int(stmt, 2, (int64_t)volume->number);
	bind_int(stmt, 3, version);
	bind_text(stmt, 4, volume->name, strlen(volume->name));
	bind_text(stmt, 5, volume->filesystem, strlen(volume->filesystem));
	bind_int(stmt, 6, (int64_t)volume->capacity_bytes);
	bind_int(stmt, 7, 0);
	return stmt_run(stmt);
}

static int write_volume(struct txn *txn, const struct volume *volume)
{
	int64_t id = 0;
	int r = find_id(txn, volume->number, &id);

	if (r == 0)
		r = owned_leave(txn, MODEL_VOLUME, id);
	if (r >= 0)
		r = put_row(txn, volume);
	if (r >= 0)
		r = find_id(txn, volume->number, &id);
	return r < 0 ? r : owned_enter(txn, MODEL_VOLUME, id);
}

/* What peers would refuse must not be written: they would never get past it. */
static bool may_be_stored(const struct volume *volume)
{
	const struct field *fields = model_find(MODEL_VOLUME)->fields;

	return volume->number != 0 && volume->number <= INT64_MAX && volume->capacity_bytes <= INT64_MAX &&
	       model_bytes_fit(&fields[VOLUME_NAME], volume->name, strlen(volume->name)) &&
	       model_bytes_fit(&fields[VOLUME_FILESYSTEM], volume->filesystem, strlen(volume->filesystem));
}

int volume_record(struct txn *txn, int64_t location, const struct volume *volume)
{
	int r;

	if (!may_be_stored(volume))
		return -EINVAL;
	r = location_set_volume(txn, location, volume->number);
	if (r >= 0)
		r = is_stored(txn->db, txn_info(txn)->device_row, volume);
	if (r == 0)
		r = write_volume(txn, volume);
	return r < 0 ? r : volume_tidy(txn);
}

/* 1: there is none. */
static int find_unused(struct txn *txn, int64_t *ret_id)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(txn->db, STMT_VOLUME_UNUSED, &r);

	if (!stmt)
		return r;
	bind_int(stmt, 1, txn_info(txn)->device_row);
	r = stmt_step(stmt);
	if (r == 0)
		*ret_id = sqlite3_column_int64(stmt, 0);
	return r;
}

static int delete_row(struct txn *txn, int64_t id)
{
	sqlite3_stmt *stmt;
	int64_t version;
	int r = owned_leave(txn, MODEL_VOLUME, id);

	if (r >= 0)
		r = txn_next_version(txn, MODEL_VOLUME, &version);
	if (r < 0)
		return r;
	stmt = db_stmt(txn->db, STMT_VOLUME_DELETE, &r);
	if (!stmt)
		return r;
	bind_int(stmt, 1, id);
	bind_int(stmt, 2, version);
	return stmt_run(stmt);
}

int volume_tidy(struct txn *txn)
{
	int64_t id = 0;
	int r;

	while ((r = find_unused(txn, &id)) == 0) {
		r = delete_row(txn, id);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}
