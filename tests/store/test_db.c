/* Connections and statements. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "tests/lib/library.h"
#include "tests/store/steps.h"

static int setup(void **state)
{
	struct library *l = calloc(1, sizeof(*l));

	library_init(l);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	library_release(*state);
	free(*state);
	return 0;
}

static void test_every_statement_can_be_prepared(void **state)
{
	struct db *db = library_db(*state);

	for (int i = 0; i < STMT_COUNT; i++) {
		int r = 0;
		sqlite3_stmt *stmt = db_stmt(db, (enum statement)i, &r);
		if (!stmt)
			fail_msg("statement %d: %s", i, sqlite3_errmsg(db->connection));
		stmt_done(&stmt);
		assert_null(stmt);
	}
}

static void test_statements_may_end_in_any_order(void **state)
{
	const enum statement three[] = {STMT_DEVICE_GET, STMT_ENTRY_GET, STMT_LOCATION_GET};
	struct db *db = library_db(*state);
	sqlite3_stmt *stmts[3];
	int r = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			assert_non_null(stmts[i] = db_stmt(db, three[i], &r));
		assert_null(db_stmt(db, STMT_ENTRY_GET, &r));
		assert_int_equal(r, -EBUSY);
		for (int i = 0; i < 3; i++)
			stmt_done(&stmts[(i + round) % 3]);
		assert_int_equal(db->active_count, 0);
	}
}

static int insert_empty_audit(struct txn *txn, void *arg)
{
	int r = 0;
	sqlite3_stmt *stmt = db_stmt(txn->db, STMT_AUDIT_INSERT, &r);

	assert_non_null(stmt);
	for (int i = 1; i <= 5; i++)
		bind_int(stmt, i, 1);
	bind_text(stmt, 3, NULL, 0);
	bind_text(stmt, 4,
		  "a\xff"
		  "b",
		  3);
	return stmt_run(stmt);
}

static void test_empty_text_is_not_null(void **state)
{
	struct library *l = *state;

	assert_int_equal(library_write(l, insert_empty_audit, NULL), 0);
	assert_int_equal(
	    step_number(l->store, "SELECT count(*) FROM audit WHERE action = '' AND subject = CAST(x'61ff62' AS TEXT)"),
	    1);
}

static void test_readers_cannot_write(void **state)
{
	struct db *db = library_db(*state);

	assert_int_equal(connection_exec(db->connection, "DELETE FROM library"), -EROFS);
}

static void test_constraints_are_damage(void **state)
{
	struct library *l = *state;

	assert_int_equal(step_sql(l->store, "INSERT INTO library SELECT * FROM library"), -ERR_CORRUPT);
}

static void test_translation(void **state)
{
	errno = 0;
	assert_int_equal(db_error(SQLITE_DONE), 0);
	assert_int_equal(db_error(SQLITE_FULL), -ENOSPC);
	assert_int_equal(db_error(SQLITE_BUSY_SNAPSHOT), -EAGAIN);
	assert_int_equal(db_error(SQLITE_READONLY_RECOVERY), -EROFS);
	assert_int_equal(db_error(SQLITE_NOTADB), -ERR_CORRUPT);
	assert_int_equal(db_error(SQLITE_NOMEM), -ENOMEM);
	assert_int_equal(db_error(SQLITE_IOERR_NOMEM), -ENOMEM);
	assert_int_equal(db_error(SQLITE_IOERR_READ), -EIO);
	errno = ENOSPC;
	assert_int_equal(db_error(SQLITE_IOERR_WRITE), -ENOSPC);
	errno = EMFILE;
	assert_int_equal(db_error(SQLITE_CANTOPEN), -EMFILE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_every_statement_can_be_prepared), TEST(test_statements_may_end_in_any_order),
	    TEST(test_empty_text_is_not_null),		TEST(test_readers_cannot_write),
	    TEST(test_constraints_are_damage),		cmocka_unit_test(test_translation),
	};

	return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
