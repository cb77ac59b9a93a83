/* Schema versions: a new database equals one that came through all migrations. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/migrate.h"

static void open_memory(sqlite3 **ret_connection)
{
	assert_int_equal(sqlite3_open(":memory:", ret_connection), SQLITE_OK);
}

/* Blanks and comments do not count; ALTER TABLE leaves other ones than CREATE TABLE. */
static void put_normal(struct buf *out, const char *sql)
{
	bool blank = false;

	for (const char *p = sql; *p; p++) {
		if (p[0] == '-' && p[1] == '-') {
			p += strcspn(p, "\n");
			if (*p == '\0')
				break;
		}
		if (strchr(" \t\n", *p)) {
			blank = true;
			continue;
		}
		if (blank && !strchr("(),;", *p) && out->len > 0 && !strchr("(),;", out->data[out->len - 1]))
			buf_append(out, " ", 1);
		blank = false;
		buf_append(out, p, 1);
	}
	buf_append(out, "\n", 1);
}

static char *normal_schema(sqlite3 *connection)
{
	_cleanup_(buf_release) struct buf out = BUF_INIT;
	_cleanup_(stmt_finalize) sqlite3_stmt *stmt = NULL;
	const char *sql =
	    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type, name";

	assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		put_normal(&out, (const char *)sqlite3_column_text(stmt, 0));
	return buf_take_str(&out);
}

static void assert_fresh_equals_migrated(const struct schema *schema)
{
	_cleanup_(connection_closep) sqlite3 *fresh = NULL, *migrated = NULL;
	_cleanup_(free_ptr) char *fresh_schema = NULL, *migrated_schema = NULL;
	int version = 0;

	open_memory(&fresh);
	open_memory(&migrated);
	assert_int_equal(migrate_create(fresh, schema), 0);
	assert_int_equal(migrate_upgrade(migrated, schema), 0);
	assert_int_equal(migrate_version(migrated, &version), 0);
	assert_int_equal(version, schema->version);
	assert_int_equal(migrate_version(fresh, &version), 0);
	assert_int_equal(version, schema->version);
	fresh_schema = normal_schema(fresh);
	migrated_schema = normal_schema(migrated);
	assert_true(strlen(fresh_schema) > 50);
	assert_string_equal(fresh_schema, migrated_schema);
}

static void test_fresh_equals_migrated(void **state)
{
	assert_fresh_equals_migrated(&schema_catalogue);
}

static const char *const two_steps[] = {
    "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (7);",
    "ALTER TABLE a ADD COLUMN y TEXT NOT NULL DEFAULT ''; CREATE INDEX a_y ON a (y);",
};
static const struct schema first_release = {"CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (7);", two_steps,
					    1};
static const struct schema second_release = {
    "CREATE TABLE a ( -- commented\n\tx INTEGER, y TEXT NOT NULL DEFAULT '') STRICT;\nCREATE INDEX a_y ON a (y);",
    two_steps,
    2,
};

static void test_upgrade_keeps_rows(void **state)
{
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	int64_t x = 0;
	int version = 0;

	open_memory(&connection);
	assert_int_equal(migrate_create(connection, &first_release), 0);
	assert_int_equal(migrate_upgrade(connection, &second_release), 0);
	assert_int_equal(migrate_version(connection, &version), 0);
	assert_int_equal(version, 2);
	assert_int_equal(connection_int(connection, "SELECT x FROM a WHERE y = ''", &x), 0);
	assert_int_equal(x, 7);
	assert_int_equal(migrate_upgrade(connection, &second_release), 0);
}

static void test_two_releases_agree(void **state)
{
	assert_fresh_equals_migrated(&second_release);
}

static void test_newer_is_refused(void **state)
{
	_cleanup_(connection_closep) sqlite3 *connection = NULL;

	open_memory(&connection);
	assert_int_equal(migrate_create(connection, &second_release), 0);
	assert_int_equal(migrate_upgrade(connection, &first_release), -ERR_STALE);
}

static void test_failing_step_leaves_the_version_before(void **state)
{
	static const char *const steps[] = {"CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"};
	static const struct schema broken = {"", steps, 2};
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	int64_t count = -1;
	int version = 0;

	open_memory(&connection);
	assert_true(migrate_upgrade(connection, &broken) < 0);
	assert_int_equal(migrate_version(connection, &version), 0);
	assert_int_equal(version, 1);
	assert_int_equal(connection_int(connection, "SELECT count(*) FROM sqlite_schema", &count), 0);
	assert_int_equal(count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fresh_equals_migrated),
	    cmocka_unit_test(test_upgrade_keeps_rows),
	    cmocka_unit_test(test_two_releases_agree),
	    cmocka_unit_test(test_newer_is_refused),
	    cmocka_unit_test(test_failing_step_leaves_the_version_before),
	};

	return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
