/* sync.db: events of this device. It is the one file here that may be lost, so a damaged one is put aside by making it
 * anew, and its commits need not survive a power cut.
 *
 * One connection behind a mutex, which is held across one short write or read, never across a callback. */
#include "store/event.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

#define EVENT_KEPT 10000

struct events {
	pthread_mutex_t lock;
	sqlite3 *connection; /* under the lock; NULL: read only, and there is no sync.db */
	bool read_only;	     /* constant */
};

static const char insert_sql[] = "INSERT INTO event (at_ms, level, text) VALUES (?1, ?2, ?3)";
static const char trim_sql[] = "DELETE FROM event WHERE id <= last_insert_rowid() - ?1";
static const char list_sql[] = "SELECT id, at_ms, level, text FROM"
			       " (SELECT * FROM event ORDER BY id DESC LIMIT ?1) ORDER BY id";

/* --- the file --- */

int events_create(const char *path)
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

static int events_remove(const char *path)
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
	if (r >= 0)
		r = migrate_upgrade(connection, &schema_sync);
	if (r >= 0)
		r = connection_exec(connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
						"PRAGMA trusted_schema = OFF; PRAGMA cache_size = -128;");
	if (r >= 0)
		*ret_connection = TAKE_PTR(connection);
	return r;
}

static int insert(struct events *events, const char *level, const char *text);

/* Opens sync.db, made anew when it is missing or damaged; then an event says so. */
static int events_connect(struct events *events, const char *path)
{
	const char *story = NULL;
	int r;

	r = open_writable(path, &events->connection);
	if (r == -ENOENT)
		story = "sync.db was missing and was made anew: earlier events are gone, no change is lost";
	if (r == -ERR_CORRUPT)
		story = "sync.db was damaged and was made anew: earlier events are gone, no change is lost";
	if (!story)
		return r;
	r = events_remove(path);
	if (r >= 0)
		r = events_create(path);
	if (r >= 0)
		r = open_writable(path, &events->connection);
	return r < 0 ? r : insert(events, "warning", story);
}

static int events_connect_read_only(struct events *events, const char *path)
{
	int r = connection_open(path, DB_READ_FIXED, &events->connection);

	return r == -ENOENT ? 0 : r;
}

int events_open(const char *path, bool read_only, struct events **ret_events)
{
	struct events *events = calloc(1, sizeof(*events));
	int r;

	if (!events)
		return -ENOMEM;
	pthread_mutex_init(&events->lock, NULL);
	events->read_only = read_only;
	r = read_only ? events_connect_read_only(events, path) : events_connect(events, path);
	if (r < 0) {
		events_close(events);
		return r;
	}
	*ret_events = events;
	return 0;
}

void events_close(struct events *events)
{
	if (!events)
		return;
	connection_close(events->connection);
	pthread_mutex_destroy(&events->lock);
	free(events);
}

/* --- adding --- */

static int insert_row(sqlite3 *connection, const char *level, const char *text)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(connection, insert_sql, -1, &stmt, NULL);

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
	bind_int(stmt, 1, EVENT_KEPT);
	r = stmt_step(stmt);
	return r < 0 ? r : 0;
}

/* With the lock held, or before anybody else has `events`. */
static int insert(struct events *events, const char *level, const char *text)
{
	sqlite3 *connection = events->connection;
	int r;

	r = connection_exec(connection, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = insert_row(connection, level, text);
	if (r >= 0)
		r = trim_rows(connection);
	if (r >= 0)
		r = connection_exec(connection, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(connection))
		connection_exec(connection, "ROLLBACK");
	return r;
}

int event_add(struct store *store, const char *level, const char *text)
{
	struct events *events = store->events;
	int r;

	if (events->read_only)
		return -EROFS;
	pthread_mutex_lock(&events->lock);
	r = insert(events, level, text);
	pthread_mutex_unlock(&events->lock);
	return r;
}

/* --- listing: read under the lock into a list, told without it --- */

struct event_list {
	struct event *items; /* level and text are owned, in one block that begins at level */
	size_t count;
};

static void event_list_release(struct event_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free((char *)list->items[i].level);
	free(list->items);
}

static int event_list_add(struct event_list *list, sqlite3_stmt *stmt)
{
	size_t level_len = (size_t)sqlite3_column_bytes(stmt, 2);
	size_t text_len = (size_t)sqlite3_column_bytes(stmt, 3);
	char *copy = malloc(level_len + text_len + 2);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, sqlite3_column_text(stmt, 2), level_len + 1);
	memcpy(copy + level_len + 1, sqlite3_column_text(stmt, 3), text_len + 1);
	list->items[list->count++] = (struct event){
	    .id = sqlite3_column_int64(stmt, 0),
	    .at_ms = sqlite3_column_int64(stmt, 1),
	    .level = copy,
	    .text = copy + level_len + 1,
	};
	return 0;
}

static int event_list_read(struct event_list *list, sqlite3 *connection, unsigned limit)
{
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	int r;

	list->items = calloc(limit, sizeof(*list->items));
	if (!list->items)
		return -ENOMEM;
	r = sqlite3_prepare_v2(connection, list_sql, -1, &stmt, NULL);
	if (r != SQLITE_OK)
		return connection_error(connection, r);
	bind_int(stmt, 1, limit);
	while ((r = stmt_step(stmt)) == 0) {
		r = event_list_add(list, stmt);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

int event_list(struct store *store, unsigned limit, int (*fn)(void *arg, const struct event *event), void *arg)
{
	_cleanup_(event_list_release) struct event_list list = {0};
	struct events *events = store->events;
	int r = 0;

	if (limit > EVENT_KEPT)
		limit = EVENT_KEPT;
	if (limit == 0 || !events->connection)
		return 0;
	pthread_mutex_lock(&events->lock);
	r = event_list_read(&list, events->connection, limit);
	pthread_mutex_unlock(&events->lock);
	for (size_t i = 0; r >= 0 && i < list.count; i++)
		if (fn(arg, &list.items[i]) != 0)
			break;
	return r;
}
