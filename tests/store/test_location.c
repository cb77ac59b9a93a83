/* Locations and devices: rows, names, states, and the notices of each change. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/audit.h"
#include "store/device.h"
#include "store/internal.h"
#include "store/location.h"
#include "tests/lib/library.h"
#include "tests/store/heard.h"
#include "tests/store/steps.h"

#define LL(id) ((long long)(id))

struct fixture {
	struct library l;
	struct store *store;
	struct heard heard;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	library_init(&f->l);
	f->store = f->l.store;
	heard_init(&f->heard, f->store);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	heard_release(&f->heard);
	library_release(&f->l);
	free(f);
	return 0;
}

/* --- locations --- */

static void test_add(void **state)
{
	struct fixture *f = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int64_t id;

	assert_int_equal(step_location_add(f->store, "home", &id), 0);
	heard_exactly(&f->heard, "listing d1\n");
	assert_int_equal(location_get(library_db(&f->l), id, &location, &rows), 0);
	assert_int_equal(location.device, 1);
	assert_string_equal(location.path, "/nowhere");
	assert_string_equal(location.exclude, "");
	assert_int_equal(location.name_len, 4);
	assert_memory_equal(location.name, "home", 4);
	assert_int_equal(location.identity.fsid, 1);
	assert_int_equal(location.identity.ino, 2);
	assert_int_equal(location.identity.btime_ns, 3);
	assert_int_equal(location.state, LOCATION_UNSCANNED);
	assert_int_equal(location.scanned_ms, 0);
	assert_true(location.root != 0);
	library_assert_clean(&f->l);
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	int64_t id, other;

	assert_int_equal(step_location_add(f->store, "home", &id), 0);
	assert_int_equal(step_location_add(f->store, "home", &other), -EEXIST);
	assert_int_equal(step_location_add(f->store, "a/b", &other), -EINVAL);
	assert_int_equal(step_location_add(f->store, "", &other), -EINVAL);
	assert_int_equal(step_location_add(f->store, "\xff", &other), -EINVAL);
	assert_int_equal(step_location_add(f->store, "Home", &other), 0);
	assert_int_equal(step_location_remove(f->store, id), 0);
	assert_int_equal(step_location_add(f->store, "home", &other), 0); /* the name is free again */
	assert_true(other > id);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int64_t id, entry, root;

	assert_int_equal(step_location_add(f->store, "home", &id), 0);
	root = library_root(&f->l, id);
	assert_int_equal(step_insert(f->store, id, root, "a", step_file(1), &entry), 0);
	heard_exactly(&f->heard, "listing d1\nlisting e%lld\n", LL(root));
	assert_int_equal(step_location_remove(f->store, id), 0);
	heard_exactly(&f->heard, "name d1/home=e%lld\nbelow e%lld\n", LL(root), LL(root));
	assert_int_equal(location_get(library_db(&f->l), id, &location, &rows), -ENOENT);
	assert_int_equal(location_list(library_db(&f->l), 0, 0, &rows), 0);
	assert_int_equal(location_next(&rows, &location), 1);
	assert_int_equal(step_number(f->store, "SELECT count(*) FROM entry WHERE deleted = 0"),
			 2); /* one mark is enough */
	assert_int_equal(step_location_remove(f->store, id), -ENOENT);
	assert_int_equal(step_location_remove(f->store, 99), -ENOENT);
	assert_int_equal(step_number(f->store, "SELECT version FROM location"), 2);
	assert_int_equal(step_number(f->store, "SELECT position FROM stream WHERE kind = 16"), 2);
	library_assert_clean(&f->l);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int64_t a, b;

	assert_int_equal(step_location_add(f->store, "a", &a), 0);
	assert_int_equal(step_location_add(f->store, "b", &b), 0);
	assert_int_equal(location_list(library_db(&f->l), 1, a, &rows), 0);
	assert_int_equal(location_next(&rows, &location), 0);
	assert_int_equal(location.id, b);
	assert_int_equal(location_next(&rows, &location), 1);
	rows_release(&rows);
	assert_int_equal(location_list(library_db(&f->l), 2, 0, &rows), 0);
	assert_int_equal(location_next(&rows, &location), 1);
	rows_release(&rows);
	assert_int_equal(location_list(library_db(&f->l), 0, 0, &rows), 0);
	assert_int_equal(location_next(&rows, &location), 0);
	assert_int_equal(location_next(&rows, &location), 0);
	assert_int_equal(location_next(&rows, &location), 1);
}

static int change_state(struct txn *txn, void *arg)
{
	const struct location_identity identity = {.fsid = UINT64_MAX, .ino = 8, .btime_ns = 9};
	int64_t id = *(int64_t *)arg;

	assert_int_equal(location_set_state(txn, id, LOCATION_OFFLINE), 0);
	assert_int_equal(location_set_identity(txn, id, &identity), 0);
	assert_int_equal(location_set_state(txn, 99, LOCATION_READY), -ENOENT);
	return 0;
}

static int finish_scan(struct txn *txn, void *arg)
{
	return location_set_scanned(txn, *(int64_t *)arg, 12345);
}

static void test_state_is_local(void **state)
{
	struct fixture *f = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int64_t id;

	assert_int_equal(step_location_add(f->store, "home", &id), 0);
	heard_exactly(&f->heard, "listing d1\n");
	assert_int_equal(library_write(&f->l, change_state, &id), 0);
	assert_int_equal(location_get(library_db(&f->l), id, &location, &rows), 0);
	assert_int_equal(location.state, LOCATION_OFFLINE);
	assert_true(location.identity.fsid == UINT64_MAX && location.identity.ino == 8 &&
		    location.identity.btime_ns == 9);
	rows_release(&rows);
	assert_int_equal(library_write(&f->l, finish_scan, &id), 0);
	assert_int_equal(location_get(library_db(&f->l), id, &location, &rows), 0);
	assert_int_equal(location.state, LOCATION_READY);
	assert_int_equal(location.scanned_ms, 12345);
	heard_exactly(&f->heard, "%s", "");
	assert_int_equal(step_number(f->store, "SELECT position FROM stream WHERE kind = 16"), 1);
}

static void test_totals(void **state)
{
	struct fixture *f = *state;
	struct location_totals totals;
	struct entry_attr attr = step_file(1), empty = step_file(2);
	int64_t id, root, dir, a, b;

	empty.size = 0;
	assert_int_equal(step_location_add(f->store, "home", &id), 0);
	root = library_root(&f->l, id);
	assert_int_equal(location_totals(library_db(&f->l), id, &totals), 0);
	assert_int_equal(totals.entries + totals.files + totals.bytes + totals.unhashed, 0);
	assert_int_equal(step_insert(f->store, id, root, "d", step_dir(3), &dir), 0);
	assert_int_equal(step_insert(f->store, id, dir, "a", attr, &a), 0);
	assert_int_equal(step_insert(f->store, id, dir, "b", attr, &b), 0);
	assert_int_equal(step_insert(f->store, id, dir, "c", empty, &(int64_t){0}), 0);
	assert_int_equal(step_content(f->store, a, &attr, 1), 0);
	assert_int_equal(location_totals(library_db(&f->l), id, &totals), 0);
	assert_int_equal(totals.entries, 4);
	assert_int_equal(totals.files, 3);
	assert_int_equal(totals.bytes, 20);
	assert_int_equal(totals.unhashed, 1);
}

/* --- audit --- */

static int add_many_audits(struct txn *txn, void *arg)
{
	int r = 0;

	for (int i = 0; i < 10; i++)
		r = r < 0 ? r : audit_add(txn, "repair", "x");
	return r;
}

static void test_audit(void **state)
{
	struct fixture *f = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct audit audit;
	int64_t id;

	assert_int_equal(step_location_add(f->store, "home", &id), 0);
	assert_int_equal(step_location_remove(f->store, id), 0);
	assert_int_equal(audit_list(library_db(&f->l), 0, &rows), 0);
	assert_int_equal(audit_next(&rows, &audit), 0);
	assert_string_equal(audit.action, "location add");
	assert_string_equal(audit.subject, "home");
	assert_int_equal(audit.device, 1);
	assert_true(audit.at_ms > 0);
	assert_int_equal(audit_next(&rows, &audit), 0);
	assert_string_equal(audit.action, "location remove");
	assert_int_equal(audit_next(&rows, &audit), 1);
}

static void test_audit_keeps_the_last(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(step_sql(f->store,
				  "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9995)"
				  " INSERT INTO audit (device, number, at_ms, action, subject, version)"
				  " SELECT 1, 100000 + i, i, 'old', 'x', i FROM n;"
				  "INSERT INTO audit (id, device, number, at_ms, action, subject, version)"
				  " VALUES (-5, 2, 1, 0, 'of another', 'x', 1)"),
			 0);
	assert_int_equal(library_write(&f->l, add_many_audits, NULL), 0);
	assert_int_equal(step_number(f->store, "SELECT count(*) FROM audit WHERE device = 1 AND deleted = 0"), 10000);
	assert_int_equal(step_number(f->store, "SELECT min(id) FROM audit WHERE device = 1 AND deleted = 0"), 6);
	assert_int_equal(step_number(f->store, "SELECT count(*) FROM audit WHERE device = 2"), 1);
}

/* --- devices --- */

static void test_device_rename(void **state)
{
	struct fixture *f = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int64_t position;

	assert_int_equal(step_device_rename(f->store, 1, "desktop"), 0);
	assert_true(f->heard.count >= 3);
	assert_int_equal(device_get(library_db(&f->l), 1, &device, &rows), 0);
	assert_int_equal(device.name_len, 7);
	assert_memory_equal(device.name, "desktop", 7);
	rows_release(&rows);
	position = step_number(f->store, "SELECT position FROM shared_stream");
	assert_int_equal(step_device_rename(f->store, 1, "desktop"), 0); /* nothing to do */
	assert_int_equal(step_number(f->store, "SELECT position FROM shared_stream"), position);
	assert_int_equal(step_device_rename(f->store, 1, "a/b"), -EINVAL);
	assert_int_equal(step_device_rename(f->store, 9, "x"), -ENOENT);
	assert_int_equal(device_get(library_db(&f->l), 9, &device, &rows), -ENOENT);
}

static void test_device_list_is_of_members(void **state)
{
	struct fixture *f = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;

	assert_int_equal(step_sql(f->store, "INSERT INTO device (id, uuid, name, member) VALUES"
					    " (2, x'00112233445566778899aabbccddeeff', 'gone', 0),"
					    " (3, x'01112233445566778899aabbccddeeff', 'peer', 1)"),
			 0);
	assert_int_equal(device_list(library_db(&f->l), 1, &rows), 0);
	assert_int_equal(device_next(&rows, &device), 0);
	assert_int_equal(device.id, 3);
	assert_true(device.member && !device.self);
	assert_int_equal(device_next(&rows, &device), 1);
	rows_release(&rows);
	assert_int_equal(device_get(library_db(&f->l), 2, &device, &rows), 0);
	assert_false(device.member);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_add),
	    TEST(test_names),
	    TEST(test_remove),
	    TEST(test_list),
	    TEST(test_state_is_local),
	    TEST(test_totals),
	    TEST(test_audit),
	    TEST(test_audit_keeps_the_last),
	    TEST(test_device_rename),
	    TEST(test_device_list_is_of_members),
	};

	return cmocka_run_group_tests_name("location", tests, NULL, NULL);
}
