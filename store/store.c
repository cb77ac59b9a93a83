/* Opening and closing a library, and the readers of its threads.
 *
 * A reader belongs to the thread that asked for it: a pthread key leads to it and closes it when the thread ends. All
 * of them are also in a list, under a mutex, so that store_close can close those of threads that live on. Each store
 * has a key of its own, so one process may have several open. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/migrate.h"
#include "sync/limits.h"

static char *path_in(const char *dir, const char *name)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;

	buf_append_str(&path, dir);
	buf_append_str(&path, "/");
	buf_append_str(&path, name);
	return buf_take_str(&path);
}

/* --- readers --- */

static void readers_drop(struct readers *readers, struct db *db)
{
	pthread_mutex_lock(&readers->lock);
	for (struct db **p = &readers->first; *p; p = &(*p)->next)
		if (*p == db) {
			*p = db->next;
			break;
		}
	pthread_mutex_unlock(&readers->lock);
	db_close(db);
}

static void reader_of_ended_thread(void *arg)
{
	struct db *db = arg;

	readers_drop(&db->store->readers, db);
}

static int readers_init(struct readers *readers)
{
	int r = pthread_key_create(&readers->key, reader_of_ended_thread);

	if (r != 0)
		return -r;
	pthread_mutex_init(&readers->lock, NULL);
	return 0;
}

static void readers_release(struct readers *readers)
{
	pthread_key_delete(readers->key);
	while (readers->first)
		readers_drop(readers, readers->first);
	pthread_mutex_destroy(&readers->lock);
}

int store_reader(struct store *store, struct db **ret_db)
{
	struct readers *readers = &store->readers;
	struct db *db = pthread_getspecific(readers->key);
	int r;

	if (!db) {
		r = db_open(store, store->fixed ? DB_READ_FIXED : DB_READ, &db);
		if (r < 0)
			return r;
		r = pthread_setspecific(readers->key, db);
		if (r != 0) {
			db_close(db);
			return -r;
		}
		pthread_mutex_lock(&readers->lock);
		db->next = readers->first;
		readers->first = db;
		pthread_mutex_unlock(&readers->lock);
	}
	*ret_db = db;
	return 0;
}

/* --- opening --- */

static int store_set_paths(struct store *store, const char *dir)
{
	store->path = path_in(dir, "database.db");
	store->wal_path = path_in(dir, "database.db-wal");
	store->sync_path = path_in(dir, "sync.db");
	return store->path && store->wal_path && store->sync_path ? 0 : -ENOMEM;
}

/* A closed store: all locks, no file. */
static int store_new(const char *dir, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return -ENOMEM;
	store->entries_max = OWNER_ENTRIES_MAX;
	store->slice_rows = SLICE_ROWS;
	r = readers_init(&store->readers);
	if (r < 0) {
		free(store);
		return r;
	}
	pthread_rwlock_init(&store->commit_lock, NULL);
	r = subscription_init(&store->subscription);
	if (r < 0) {
		readers_release(&store->readers);
		free(store);
		return r;
	}
	gate_init(&store->gate);
	*ret_store = store; /* from here on store_close takes it apart */
	return store_set_paths(store, dir);
}

static bool is_writable(const char *path)
{
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || (errno != EROFS && errno != EACCES);
}

/* Of a folder that this process cannot write. Without a WAL the file itself is all there is, and nobody can change it;
 * with one, SQLite reads both if it can. */
static void store_set_read_only(struct store *store)
{
	struct stat st;

	store->read_only = true;
	store->fixed = stat(store->wal_path, &st) < 0 || st.st_size == 0;
}

/* Brings the database to the version that this program knows. */
static int check_version(sqlite3 *connection, bool read_only)
{
	int version;
	int r;

	r = migrate_version(connection, &version);
	if (r < 0)
		return r;
	if (version == 0)
		return -ERR_MALFORMED; /* never filled: store_create was cut short */
	if (version > schema_catalogue.version)
		return -ERR_STALE;
	if (!read_only)
		return migrate_upgrade(connection, &schema_catalogue);
	return version < schema_catalogue.version ? -EROFS : 0;
}

static int column_uuid(sqlite3_stmt *stmt, int column, struct uuid *ret_uuid)
{
	if (sqlite3_column_bytes(stmt, column) != UUID_LEN)
		return -ERR_MALFORMED;
	memcpy(ret_uuid->bytes, sqlite3_column_blob(stmt, column), UUID_LEN);
	return 0;
}

static int load_library(struct db *db, struct store_info *ret_info)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(db, STMT_LIBRARY_GET, &r);
	if (!stmt)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_MALFORMED;
	r = column_uuid(stmt, 0, &ret_info->library);
	if (r >= 0)
		r = column_uuid(stmt, 3, &ret_info->device);
	if (r < 0 || (size_t)sqlite3_column_bytes(stmt, 1) >= sizeof(ret_info->name))
		return -ERR_MALFORMED;
	strcpy(ret_info->name, (const char *)sqlite3_column_text(stmt, 1));
	ret_info->device_row = sqlite3_column_int64(stmt, 2);
	return 0;
}

static int load_origin(struct db *db, struct store *store)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(db, STMT_LIBRARY_ORIGIN, &r);
	if (!stmt)
		return r;
	bind_blob(stmt, 1, store->info.device.bytes, UUID_LEN);
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_MALFORMED;
	store->origin = sqlite3_column_int64(stmt, 0);
	store->info.epoch = (uint64_t)sqlite3_column_int64(stmt, 1);
	return 0;
}

static int load_number(struct db *db, enum statement which, uint64_t *ret_number)
{
	_cleanup_(stmt_done) sqlite3_stmt *stmt = NULL;
	int r = 0;

	stmt = db_stmt(db, which, &r);
	if (!stmt)
		return r;
	r = stmt_step(stmt);
	if (r != 0)
		return r < 0 ? r : -ERR_MALFORMED;
	*ret_number = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

/* What the store keeps in memory of the database; also whether it is this key's. */
static int store_load(struct store *store, struct db *db, const struct key *key)
{
	struct uuid id = key_device_id(key);
	int r;

	r = load_library(db, &store->info);
	if (r < 0)
		return r;
	if (uuid_cmp(&store->info.device, &id) != 0)
		return -ERR_WRONG_KEY;
	r = load_origin(db, store);
	if (r < 0)
		return r;
	return load_number(db, STMT_LIBRARY_LAST_HLC, &store->clock.last);
}

/* The writer, or, read only, this thread's reader. */
static int store_connect(struct store *store, struct db **ret_db)
{
	int r;

	if (store->read_only)
		return store_reader(store, ret_db);
	r = db_open(store, DB_WRITE, &store->writer);
	if (r >= 0)
		*ret_db = store->writer;
	return r;
}

static int store_open_database(struct store *store, const char *dir, const struct key *key)
{
	struct db *db = NULL;
	struct stat st;
	int r;

	if (stat(store->path, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (!is_writable(dir) || !is_writable(store->path))
		store_set_read_only(store);
	r = store_connect(store, &db);
	if (r >= 0)
		r = check_version(db->connection, store->read_only);
	if (r == -ENOENT && store->read_only)
		return -EROFS; /* a WAL that cannot be read without a file that cannot be made */
	return r < 0 ? r : store_load(store, db, key);
}

int store_open_with(const char *dir, const struct key *key, bool threads, struct store **ret_store)
{
	struct store *store = NULL;
	int r;

	r = store_new(dir, &store);
	if (r >= 0)
		r = store_open_database(store, dir, key);
	if (r >= 0)
		r = sync_db_open(store->sync_path, store->read_only, &store->sync_db);
	if (r >= 0 && threads && !store->read_only)
		r = checkpoint_start(store, &store->checkpoint);
	if (r < 0) {
		store_close(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

int store_open(const char *dir, const struct key *key, struct store **ret_store)
{
	return store_open_with(dir, key, true, ret_store);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	checkpoint_stop(store->checkpoint);
	readers_release(&store->readers);
	db_close(store->writer); /* the last connection: SQLite checkpoints and removes the WAL */
	sync_db_close(store->sync_db);
	subscription_release(&store->subscription);
	pthread_rwlock_destroy(&store->commit_lock);
	gate_release(&store->gate);
	free(store->path);
	free(store->wal_path);
	free(store->sync_path);
	free(store);
}

/* --- asking --- */

void store_on_rest(struct store *store, void (*fn)(void *arg), void *arg)
{
	if (store->checkpoint) /* else nothing is ever written */
		checkpoint_on_rest(store->checkpoint, fn, arg);
}

const struct store_info *store_info(const struct store *store)
{
	return &store->info;
}

bool store_is_read_only(const struct store *store)
{
	return store->read_only;
}

static uint64_t file_bytes(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

int store_stats(struct store *store, struct store_stats *ret_stats)
{
	struct store_stats stats = {
	    .database_bytes = file_bytes(store->path),
	    .wal_bytes = file_bytes(store->wal_path),
	    .commits = atomic_load(&store->commits),
	};
	struct db *db;
	int r;

	r = store_reader(store, &db);
	if (r < 0)
		return r;
	r = load_number(db, STMT_LIBRARY_LOG_RECORDS, &stats.log_records);
	if (r < 0)
		return r;
	*ret_stats = stats;
	return 0;
}

static int peek(sqlite3 *connection, struct uuid *ret_library)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r;

	r = sqlite3_prepare_v2(connection, "SELECT uuid FROM library", -1, &stmt, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if ((r & 0xff) == SQLITE_ERROR || (r & 0xff) == SQLITE_NOTADB || r == SQLITE_DONE)
		return -ERR_MALFORMED; /* no such table, no such row */
	if (r != SQLITE_ROW)
		return connection_error(connection, r);
	return column_uuid(stmt, 0, ret_library);
}

int store_peek(const char *dir, struct uuid *ret_library)
{
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	_cleanup_(free_ptr) char *path = path_in(dir, "database.db");
	_cleanup_(free_ptr) char *wal_path = path_in(dir, "database.db-wal");
	enum db_mode mode = DB_WRITE; /* does not write, but may have to recover a WAL */
	int r;

	if (!path || !wal_path)
		return -ENOMEM;
	if (!is_writable(dir) || !is_writable(path))
		mode = file_bytes(wal_path) == 0 ? DB_READ_FIXED : DB_READ;
	r = connection_open(path, mode, &connection);
	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	return peek(connection, ret_library);
}
