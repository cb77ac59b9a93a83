/* Events of this device: a table of sync.db. */
#include "store/event.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/internal.h"
#include "store/sync_db.h"

static const char list_sql[] = "SELECT id, at_ms, level, text, times, last_ms FROM"
			       " (SELECT * FROM event ORDER BY id DESC LIMIT ?1) ORDER BY id";

/* --- adding --- */

int event_add(struct store *store, const char *level, const char *text)
{
	struct sync_db *db = store->sync_db;
	int r;

	if (db->read_only)
		return -EROFS;
	pthread_mutex_lock(&db->lock);
	r = sync_db_add_event(db->connection, level, text);
	pthread_mutex_unlock(&db->lock);
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
	    .times = sqlite3_column_int64(stmt, 4),
	    .last_ms = sqlite3_column_int64(stmt, 5),
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
	struct sync_db *db = store->sync_db;
	int r = 0;

	if (limit > SYNC_DB_EVENTS_KEPT)
		limit = SYNC_DB_EVENTS_KEPT;
	if (limit == 0 || !db->connection)
		return 0;
	pthread_mutex_lock(&db->lock);
	r = event_list_read(&list, db->connection, limit);
	pthread_mutex_unlock(&db->lock);
	for (size_t i = 0; r >= 0 && i < list.count; i++)
		if (fn(arg, &list.items[i]) != 0)
			break;
	return r;
}
