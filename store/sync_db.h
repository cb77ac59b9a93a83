/* sync.db: what this device knows about its peers and about itself. It is the one file that may be lost, so one that is
 * missing, damaged or of another version is made anew, and an event says so. Internal to store/.
 *
 * One connection behind a mutex, which is held across one short write or read, never across a callback. Threads: any.
 */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>

#define SYNC_DB_EVENTS_KEPT 10000

struct sync_db {
	pthread_mutex_t lock;
	sqlite3 *connection; /* under the lock; NULL: read only, and there is no sync.db */
	bool read_only;	     /* constant */
};

int sync_db_open(const char *path, bool read_only, struct sync_db **ret_db);
void sync_db_close(struct sync_db *db); /* NULL does nothing */
/* Makes an empty one. Errors: -EEXIST. */
int sync_db_create(const char *path);

/* With the lock held. The statement is the caller's to finalize. */
int sync_db_prepare(sqlite3 *connection, const char *sql, sqlite3_stmt **ret_stmt);
int sync_db_add_event(sqlite3 *connection, const char *level, const char *text);
