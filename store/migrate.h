/* Schemas and their versions. Internal to store/.
 *
 * PRAGMA user_version is the version of a database. A new one is made by the current schema (schema.sql); an older one
 * is brought up by migrations/NNNN.sql, each of which leads from version NNNN-1 to NNNN in one transaction. 0001.sql
 * leads from nothing to the first release and is frozen: a test proves that all migrations together give what
 * schema.sql does. */
#pragma once

#include <sqlite3.h>
#include <stddef.h>

struct schema {
	const char *current;	       /* what a new database is made by */
	const char *const *migrations; /* [i] leads from version i to i + 1 */
	int version;		       /* of `current`, and the number of migrations */
};

extern const struct schema schema_catalogue; /* database.db */
extern const struct schema schema_sync;	     /* sync.db: never migrated, made anew; raise its version when it changes */

#define SYNC_DB_VERSION 4

/* Fills an empty database. In one transaction; the connection must not be in one. */
int migrate_create(sqlite3 *connection, const struct schema *schema);

/* Brings a database to the current version, also an empty one (by all migrations).
 * Errors: -ERR_STALE (it is newer than this program). */
int migrate_upgrade(sqlite3 *connection, const struct schema *schema);

int migrate_version(sqlite3 *connection, int *ret_version);
