#include "store/migrate.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "store/internal.h"
#include "store/sql.h"

static const char *const catalogue_migrations[] = {
    sql_migration_0001,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct schema schema_catalogue = {sql_schema, catalogue_migrations, COUNT(catalogue_migrations)};
const struct schema schema_sync = {sql_sync_schema, NULL, SYNC_DB_VERSION};

int migrate_version(sqlite3 *connection, int *ret_version)
{
	int64_t version;
	int r;

	r = connection_int(connection, "PRAGMA user_version", &version);
	if (r < 0)
		return r;
	*ret_version = (int)version;
	return 0;
}

/* The version is in the header of the file, so it is part of the transaction. */
static int step(sqlite3 *connection, const char *sql, int version)
{
	char set_version[48];
	int r;

	snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d",
		 version); /* a pragma takes no parameters */
	r = connection_exec(connection, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = connection_exec(connection, sql);
	if (r >= 0)
		r = connection_exec(connection, set_version);
	if (r >= 0)
		r = connection_exec(connection, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(connection))
		connection_exec(connection, "ROLLBACK");
	return r;
}

int migrate_create(sqlite3 *connection, const struct schema *schema)
{
	return step(connection, schema->current, schema->version);
}

int migrate_upgrade(sqlite3 *connection, const struct schema *schema)
{
	int version;
	int r;

	r = migrate_version(connection, &version);
	if (r < 0)
		return r;
	if (version > schema->version)
		return -ERR_STALE;
	if (version < 0)
		return -ERR_CORRUPT;
	for (int i = version; r >= 0 && i < schema->version; i++)
		r = step(connection, schema->migrations[i], i + 1);
	return r;
}
