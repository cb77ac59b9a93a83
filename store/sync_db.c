/* The file: opened, checked, and made anew when anything is wrong with it; its commits need not survive a power cut. */
#include "store/sync_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/migrate.h"

/* What repeats the newest event is counted on it. */
static const char repeat_sql[] = "UPDATE event SET times = times + 1, last_ms = ?1"
				 " WHERE id = (SELECT max(id) FROM event) AND level = ?2 AND text = ?3";
static const char insert_sql[] = "INSERT INTO event (at_ms, last_ms, level, text) VALUES (?1, ?1, ?2, ?3)";
static const char trim_sql[] = "DELETE FROM event WHERE id <= last_insert_rowid() - ?1";

/* --- events: here, as a file that was made anew says so --- */

static int write_row(sqlite3 *connection, const char *sql, const char *level, const char *text)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(connection, sql, -1, &stmt, NULL);

	if (r != SQLITE_OK)
		return connection_error(connection, r);
	bind_int(stmt, 1, (int64_t)clock_wall_ms());
	bind_text(stmt, 2, level, strlen(level));
	bind_text(stmt, 3, text, strlen(text));
	r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

static int trim_rows(sqlite3 *connection)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(connection, trim_sql, -1, &stmt, NULL);

	if (r != SQLITE_OK)
		return connection_error(connection, r);
	bind_int(stmt, 1, SYNC_DB_EVENTS_KEPT);
	r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

int sync_db_add_event(sqlite3 *connection, const char *level, const char *text)
{
	int r;

	r = connection_exec(connection, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = write_row(connection, repeat_sql, level, text);
	if (r >= 0 && sqlite3_changes(connection) == 0) {
		r = write_row(connection, insert_sql, level, text);
		if (r >= 0)
			r = trim_rows(connection);
	}
	if (r >= 0)
		r = connection_exec(connection, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(connection))
		connection_exec(connection, "ROLLBACK");
	return r;
}

/* --- the file --- */

int sync_db_create(const char *path)
{
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	_cleanup_(close_fd) int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = connection_open(path, DB_WRITE, &connection);
	if (r >= 0)
		r = connection_exec(connection, "PRAGMA journal_mode = WAL");
	return r < 0 ? r : migrate_create(connection, &schema_sync);
}

static int remove_one(const char *path, const char *suffix)
{
	_cleanup_(buf_release) struct buf name = BUF_INIT;
	_cleanup_(free_ptr) char *full = NULL;

	buf_append_str(&name, path);
	buf_append_str(&name, suffix);
	full = buf_take_str(&name);
	if (!full)
		return -ENOMEM;
	return unlink(full) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_files(const char *path)
{
	int r = remove_one(path, "-wal");

	if (r >= 0)
		r = remove_one(path, "-shm");
	return r < 0 ? r : remove_one(path, "");
}

static int check(sqlite3 *connection)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r;

	r = sqlite3_prepare_v2(connection, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r != SQLITE_ROW)
		return r == SQLITE_DONE ? -ERR_CORRUPT : connection_error(connection, r);
	return strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0 ? 0 : -ERR_CORRUPT;
}

static int open_writable(const char *path, sqlite3 **ret_connection)
{
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	int version = 0;
	int r;

	r = connection_open(path, DB_WRITE, &connection);
	if (r >= 0)
		r = check(connection);
	if (r >= 0)
		r = migrate_version(connection, &version);
	if (r >= 0 && version == 0)
		return -ERR_CORRUPT; /* empty, or not ours */
	if (r >= 0 && version != SYNC_DB_VERSION)
		return -ERR_STALE;
	if (r >= 0)
		r = connection_exec(connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
						"PRAGMA trusted_schema = OFF; PRAGMA cache_size = -128;");
	if (r >= 0)
		*ret_connection = TAKE_PTR(connection);
	return r;
}

/* Opens sync.db, made anew when it is missing or damaged; then an event says so. */
static int connect(struct sync_db *db, const char *path)
{
	const char *story = NULL;
	int r;

	r = open_writable(path, &db->connection);
	if (r == -ENOENT)
		story = "sync.db was missing and was made anew: earlier events are gone, no change is lost";
	if (r == -ERR_CORRUPT)
		story = "sync.db was damaged and was made anew: earlier events are gone, no change is lost";
	if (r == -ERR_STALE)
		story = "sync.db was of another version and was made anew: earlier events are gone, no change is lost";
	if (!story)
		return r;
	r = remove_files(path);
	if (r >= 0)
		r = sync_db_create(path);
	if (r >= 0)
		r = open_writable(path, &db->connection);
	return r < 0 ? r : sync_db_add_event(db->connection, "warning", story);
}

/* Without one, or with one of another version, there is just nothing to read. */
static int connect_read_only(struct sync_db *db, const char *path)
{
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	int version = 0;
	int r = connection_open(path, DB_READ_FIXED, &connection);

	if (r >= 0)
		r = migrate_version(connection, &version);
	if (r >= 0 && version == SYNC_DB_VERSION)
		db->connection = TAKE_PTR(connection);
	return r == -ENOENT || r == -ERR_CORRUPT ? 0 : r;
}

int sync_db_open(const char *path, bool read_only, struct sync_db **ret_db)
{
	struct sync_db *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return -ENOMEM;
	pthread_mutex_init(&db->lock, NULL);
	db->read_only = read_only;
	r = read_only ? connect_read_only(db, path) : connect(db, path);
	if (r < 0) {
		sync_db_close(db);
		return r;
	}
	*ret_db = db;
	return 0;
}

void sync_db_close(struct sync_db *db)
{
	if (!db)
		return;
	connection_close(db->connection);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

/* --- statements --- */

int sync_db_prepare(sqlite3 *connection, const char *sql, sqlite3_stmt **ret_stmt)
{
	int r = sqlite3_prepare_v2(connection, sql, -1, ret_stmt, NULL);

	return r == SQLITE_OK ? 0 : connection_error(connection, r);
}
