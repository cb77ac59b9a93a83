#include "store/ack.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"

static const char put_sql[] =
    "INSERT INTO ack (member, device, epoch, kind, position, hlc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    " ON CONFLICT (member, device, epoch, kind) DO UPDATE SET position = ?5, hlc = ?6";
static const char list_sql[] = "SELECT member, device, epoch, kind, position, hlc FROM ack";

/* --- loading --- */

static int take(sqlite3_stmt *stmt, struct acks *acks)
{
	struct ack ack = {.position = (uint64_t)sqlite3_column_int64(stmt, 4),
			  .hlc = (uint64_t)sqlite3_column_int64(stmt, 5)};
	int64_t kind = sqlite3_column_int64(stmt, 3);
	int r;

	if (sqlite3_column_bytes(stmt, 0) != UUID_LEN || sqlite3_column_bytes(stmt, 1) != UUID_LEN || kind < 0 ||
	    kind > UINT8_MAX)
		return 0;
	memcpy(ack.member.bytes, sqlite3_column_blob(stmt, 0), UUID_LEN);
	memcpy(ack.stream.origin.device.bytes, sqlite3_column_blob(stmt, 1), UUID_LEN);
	ack.stream.origin.epoch = (uint64_t)sqlite3_column_int64(stmt, 2);
	ack.stream.kind = (uint8_t)kind;
	r = acks_note(acks, &ack);
	return r < 0 ? r : 0;
}

static int load(sqlite3 *connection, struct acks *acks)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = sync_db_prepare(connection, list_sql, &stmt);

	while (r == 0 && (r = stmt_step(stmt)) == 0)
		r = take(stmt, acks);
	return r < 0 ? r : 0;
}

int ack_load(struct store *store, struct acks *ret_acks)
{
	_cleanup_(acks_release) struct acks acks = ACKS_INIT;
	struct sync_db *db = store->sync_db;
	int r = 0;

	pthread_mutex_lock(&db->lock);
	if (db->connection)
		r = load(db->connection, &acks);
	pthread_mutex_unlock(&db->lock);
	if (r < 0)
		return r;
	acks_release(ret_acks);
	*ret_acks = acks;
	acks = ACKS_INIT; /* handed over */
	return 0;
}

/* --- saving --- */

static int put(sqlite3_stmt *stmt, const struct ack *ack)
{
	int r;

	sqlite3_reset(stmt);
	bind_blob(stmt, 1, ack->member.bytes, UUID_LEN);
	bind_blob(stmt, 2, ack->stream.origin.device.bytes, UUID_LEN);
	bind_int(stmt, 3, (int64_t)ack->stream.origin.epoch);
	bind_int(stmt, 4, ack->stream.kind);
	bind_int(stmt, 5, (int64_t)ack->position);
	bind_int(stmt, 6, (int64_t)ack->hlc);
	r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

static int save(sqlite3 *connection, const struct acks *acks, uint64_t revision)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = revision == 0 ? connection_exec(connection, "DELETE FROM ack") : 0;

	if (r == 0)
		r = sync_db_prepare(connection, put_sql, &stmt);
	for (size_t i = 0; r == 0 && i < acks->count; i++) {
		if (revision == 0 || acks->items[i].revision > revision)
			r = put(stmt, &acks->items[i]);
	}
	return r;
}

static int save_all(sqlite3 *connection, const struct acks *acks, uint64_t revision)
{
	int r = connection_exec(connection, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	r = save(connection, acks, revision);
	if (r == 0)
		r = connection_exec(connection, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(connection))
		connection_exec(connection, "ROLLBACK");
	return r;
}

int ack_save(struct store *store, const struct acks *acks, uint64_t revision)
{
	struct sync_db *db = store->sync_db;
	int r;

	if (db->read_only)
		return -EROFS;
	pthread_mutex_lock(&db->lock);
	r = save_all(db->connection, acks, revision);
	pthread_mutex_unlock(&db->lock);
	return r;
}
