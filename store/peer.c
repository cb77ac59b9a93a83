#include "store/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "store/device.h"
#include "store/internal.h"
#include "store/sync_db.h"

/* Rows are made by the first call that has something to keep, with the defaults of the schema for the rest. */

static const char get_sql[] = "SELECT device, seen_ms, address, sync, kinds, limit_bytes, error, error_ms FROM peer"
			      " WHERE device = ?1";
static const char make_sql[] = "INSERT INTO peer (device) VALUES (?1) ON CONFLICT DO NOTHING";
static const char seen_sql[] = "UPDATE peer SET seen_ms = ?2, address = iif(?3 = '', address, ?3), error = '',"
			       " error_ms = 0 WHERE device = ?1";
static const char failed_sql[] = "UPDATE peer SET error = ?3, error_ms = ?2 WHERE device = ?1";
static const char set_sql[] = "UPDATE peer SET sync = ?2, kinds = ?3, limit_bytes = ?4 WHERE device = ?1";
static const char keep_sql[] = "INSERT INTO peer_address (device, manual, address, used) VALUES (?1, ?2, ?3,"
			       " (SELECT coalesce(max(used), 0) + 1 FROM peer_address))"
			       " ON CONFLICT DO UPDATE SET used = excluded.used";
static const char trim_sql[] = "DELETE FROM peer_address WHERE device = ?1 AND manual = 0 AND used <="
			       " (SELECT used FROM peer_address WHERE device = ?1 AND manual = 0"
			       " ORDER BY used DESC LIMIT 1 OFFSET 16)";
static const char count_sql[] = "SELECT count(*) FROM peer_address WHERE device = ?1 AND manual = 1 AND address <> ?2";
static const char drop_sql[] = "DELETE FROM peer_address WHERE device = ?1 AND manual = 1 AND address = ?2";
static const char addresses_sql[] = "SELECT address, manual FROM peer_address a WHERE device = ?1 AND (manual = 1 OR"
				    " NOT EXISTS (SELECT 1 FROM peer_address b WHERE b.device = ?1 AND b.manual = 1"
				    " AND b.address = a.address)) ORDER BY manual DESC, used DESC LIMIT 32";
static const char forget_sql[] = "DELETE FROM peer WHERE device = ?1";
static const char forget_addresses_sql[] = "DELETE FROM peer_address WHERE device = ?1";
static const char all_sql[] = "SELECT device FROM peer UNION SELECT device FROM peer_address";

_Static_assert(PEER_ADDRESSES_MAX == 16, "as in the statements");

/* --- statements --- */

static int prepare(sqlite3 *connection, const char *sql, const struct uuid *device, sqlite3_stmt **ret_stmt)
{
	int r = sync_db_prepare(connection, sql, ret_stmt);

	if (r == 0)
		bind_blob(*ret_stmt, 1, device->bytes, UUID_LEN);
	return r;
}

static int run(sqlite3 *connection, const char *sql, const struct uuid *device)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = prepare(connection, sql, device, &stmt);

	if (r == 0)
		r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

/* --- one write, with the lock --- */

struct writing {
	const struct uuid *device;
	uint64_t now_ms;
	const char *text; /* an address or an error */
	const struct peer_settings *settings;
};

static int transact(sqlite3 *connection, int (*fn)(sqlite3 *connection, const struct writing *w),
		    const struct writing *w)
{
	int r = connection_exec(connection, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	r = fn(connection, w);
	if (r >= 0)
		r = connection_exec(connection, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(connection))
		connection_exec(connection, "ROLLBACK");
	return r;
}

static int write_peer(struct store *store, int (*fn)(sqlite3 *connection, const struct writing *w),
		      const struct writing *w)
{
	struct sync_db *db = store->sync_db;
	int r;

	if (db->read_only)
		return -EROFS;
	pthread_mutex_lock(&db->lock);
	r = transact(db->connection, fn, w);
	pthread_mutex_unlock(&db->lock);
	return r;
}

static int check_address(const char *address)
{
	size_t len = strlen(address);

	return len == 0 || len > PEER_ADDRESS_MAX ? -EINVAL : 0;
}

static int keep_address(sqlite3 *connection, const struct writing *w, bool manual)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = prepare(connection, keep_sql, w->device, &stmt);

	if (r < 0)
		return r;
	bind_int(stmt, 2, manual);
	bind_text(stmt, 3, w->text, strlen(w->text));
	r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

static int write_time_and_text(sqlite3 *connection, const char *sql, const struct writing *w)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = run(connection, make_sql, w->device);

	if (r == 0)
		r = prepare(connection, sql, w->device, &stmt);
	if (r < 0)
		return r;
	bind_int(stmt, 2, (int64_t)w->now_ms);
	bind_text(stmt, 3, w->text, strlen(w->text));
	r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

/* --- what happened --- */

static int write_seen(sqlite3 *connection, const struct writing *w)
{
	int r = write_time_and_text(connection, seen_sql, w);

	if (r == 0 && w->text[0])
		r = keep_address(connection, w, false);
	if (r == 0 && w->text[0])
		r = run(connection, trim_sql, w->device);
	return r;
}

int peer_seen(struct store *store, const struct uuid *device, uint64_t now_ms, const char *address)
{
	const struct writing w = {.device = device, .now_ms = now_ms, .text = address ? address : ""};
	int r = address ? check_address(address) : 0;

	return r < 0 ? r : write_peer(store, write_seen, &w);
}

static int write_failed(sqlite3 *connection, const struct writing *w)
{
	return write_time_and_text(connection, failed_sql, w);
}

int peer_failed(struct store *store, const struct uuid *device, uint64_t now_ms, const char *text)
{
	char cut[PEER_ERROR_MAX + 1];
	const struct writing w = {.device = device, .now_ms = now_ms, .text = cut};
	size_t len = text_cut(text, strlen(text), PEER_ERROR_MAX);

	memcpy(cut, text, len);
	cut[len] = '\0';
	return write_peer(store, write_failed, &w);
}

/* --- what the user wants --- */

static int write_settings(sqlite3 *connection, const struct writing *w)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = run(connection, make_sql, w->device);

	if (r == 0)
		r = prepare(connection, set_sql, w->device, &stmt);
	if (r < 0)
		return r;
	bind_int(stmt, 2, w->settings->sync);
	bind_int(stmt, 3, (int32_t)w->settings->kinds); /* all bits: -1 */
	bind_int(stmt, 4, (int64_t)w->settings->limit_bytes);
	r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

int peer_set(struct store *store, const struct uuid *device, const struct peer_settings *settings)
{
	if (settings->limit_bytes > INT64_MAX)
		return -EINVAL;
	return write_peer(store, write_settings, &(struct writing){.device = device, .settings = settings});
}

static int count_others(sqlite3 *connection, const struct writing *w, int64_t *ret_count)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = prepare(connection, count_sql, w->device, &stmt);

	if (r < 0)
		return r;
	bind_text(stmt, 2, w->text, strlen(w->text));
	r = stmt_step(stmt);
	if (r == 0)
		*ret_count = sqlite3_column_int64(stmt, 0);
	return r;
}

static int write_address(sqlite3 *connection, const struct writing *w)
{
	int64_t count = 0;
	int r = count_others(connection, w, &count);

	if (r < 0)
		return r;
	return count >= PEER_ADDRESSES_MAX ? -ERR_TOO_LARGE : keep_address(connection, w, true);
}

int peer_add_address(struct store *store, const struct uuid *device, const char *address)
{
	int r = check_address(address);

	return r < 0 ? r : write_peer(store, write_address, &(struct writing){.device = device, .text = address});
}

static int drop_address(sqlite3 *connection, const struct writing *w)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = prepare(connection, drop_sql, w->device, &stmt);

	if (r < 0)
		return r;
	bind_text(stmt, 2, w->text, strlen(w->text));
	r = stmt_step(stmt);
	if (r < 0)
		return r;
	return sqlite3_changes(connection) == 0 ? -ENOENT : 0;
}

int peer_remove_address(struct store *store, const struct uuid *device, const char *address)
{
	return write_peer(store, drop_address, &(struct writing){.device = device, .text = address});
}

/* --- reading: values that no call of ours wrote are cut, not trusted --- */

static void take_text(sqlite3_stmt *stmt, int column, char *ret_text, size_t max)
{
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);

	len = len < max ? len : max;
	if (len > 0)
		memcpy(ret_text, sqlite3_column_text(stmt, column), len);
	ret_text[len] = '\0';
}

static int read_peer(sqlite3 *connection, const struct uuid *device, struct peer *peer)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = prepare(connection, get_sql, device, &stmt);

	if (r == 0)
		r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : 0; /* nothing is known of it */
	peer->seen_ms = (uint64_t)sqlite3_column_int64(stmt, 1);
	take_text(stmt, 2, peer->address, PEER_ADDRESS_MAX);
	peer->settings.sync = sqlite3_column_int(stmt, 3) != 0;
	peer->settings.kinds = (uint32_t)sqlite3_column_int64(stmt, 4);
	peer->settings.limit_bytes = (uint64_t)sqlite3_column_int64(stmt, 5);
	take_text(stmt, 6, peer->error, PEER_ERROR_MAX);
	peer->error_ms = (uint64_t)sqlite3_column_int64(stmt, 7);
	return 0;
}

int peer_get(struct store *store, const struct uuid *device, struct peer *ret_peer)
{
	struct peer peer = {.device = *device, .settings = PEER_SETTINGS_DEFAULT};
	struct sync_db *db = store->sync_db;
	int r = 0;

	pthread_mutex_lock(&db->lock);
	if (db->connection)
		r = read_peer(db->connection, device, &peer);
	pthread_mutex_unlock(&db->lock);
	if (r == 0)
		*ret_peer = peer;
	return r;
}

static int read_addresses(sqlite3 *connection, const struct uuid *device, struct peer_addresses *addresses)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = prepare(connection, addresses_sql, device, &stmt);

	while (r == 0 && addresses->count < 2 * PEER_ADDRESSES_MAX && (r = stmt_step(stmt)) == 0) {
		take_text(stmt, 0, addresses->items[addresses->count].text, PEER_ADDRESS_MAX);
		addresses->items[addresses->count++].manual = sqlite3_column_int(stmt, 1) != 0;
	}
	return r < 0 ? r : 0;
}

int peer_addresses(struct store *store, const struct uuid *device, struct peer_addresses *ret_addresses)
{
	struct sync_db *db = store->sync_db;
	int r = 0;

	ret_addresses->count = 0;
	pthread_mutex_lock(&db->lock);
	if (db->connection)
		r = read_addresses(db->connection, device, ret_addresses);
	pthread_mutex_unlock(&db->lock);
	return r;
}

/* --- forgetting --- */

static int write_forget(sqlite3 *connection, const struct writing *w)
{
	int r = run(connection, forget_sql, w->device);

	return r < 0 ? r : run(connection, forget_addresses_sql, w->device);
}

int peer_forget(struct store *store, const struct uuid *device)
{
	return write_peer(store, write_forget, &(struct writing){.device = device});
}

struct known {
	struct uuid *items; /* owned */
	size_t count;
	size_t capacity;
};

static void known_release(struct known *known)
{
	free(known->items);
}

static int known_add(struct known *known, const void *uuid)
{
	if (known->count == known->capacity) {
		size_t capacity = known->capacity ? 2 * known->capacity : 16;
		struct uuid *items = reallocarray(known->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		known->items = items;
		known->capacity = capacity;
	}
	memcpy(known->items[known->count++].bytes, uuid, UUID_LEN);
	return 0;
}

static int read_known(sqlite3 *connection, struct known *known)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = sync_db_prepare(connection, all_sql, &stmt);

	while (r == 0 && (r = stmt_step(stmt)) == 0) {
		if (sqlite3_column_bytes(stmt, 0) == UUID_LEN)
			r = known_add(known, sqlite3_column_blob(stmt, 0));
	}
	return r < 0 ? r : 0;
}

int peer_clean(struct store *store)
{
	_cleanup_(known_release) struct known known = {0};
	struct sync_db *sync = store->sync_db;
	struct db *db;
	int forgotten = 0;
	int r = store_reader(store, &db);

	if (r < 0 || sync->read_only)
		return r < 0 ? r : -EROFS;
	pthread_mutex_lock(&sync->lock);
	r = read_known(sync->connection, &known);
	pthread_mutex_unlock(&sync->lock);
	for (size_t i = 0; r >= 0 && i < known.count; i++) {
		r = device_is_member(db, &known.items[i]);
		if (r != 0)
			continue;
		r = peer_forget(store, &known.items[i]);
		forgotten++;
	}
	return r < 0 ? r : forgotten;
}
