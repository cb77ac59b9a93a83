/* Reading entries: rows, lists with stateless offsets, paths, reachability, inodes, content. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/internal.h"
#include "store/location.h"
#include "tests/lib/library.h"
#include "tests/store/steps.h"

struct tree {
	struct library l;
	int64_t location, root;
};

static int setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	library_init(&t->l);
	assert_int_equal(step_location_add(t->l.store, "home", &t->location), 0);
	t->root = library_root(&t->l, t->location);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;

	library_release(&t->l);
	free(t);
	return 0;
}

static int64_t put(struct tree *t, int64_t parent, const char *name, struct entry_attr attr)
{
	int64_t id = 0;

	assert_int_equal(step_insert(t->l.store, t->location, parent, name, attr, &id), 0);
	return id;
}

static void test_get(void **state)
{
	struct tree *t = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t id = put(t, t->root, "caf\xe9 \xff", step_file(77)); /* not UTF-8 */
	struct entry e;

	assert_int_equal(entry_get(library_db(&t->l), id, &e, &rows), 0);
	assert_int_equal(e.id, id);
	assert_int_equal(e.location, t->location);
	assert_int_equal(e.parent, t->root);
	assert_int_equal(e.name_len, 6);
	assert_memory_equal(e.name, "caf\xe9 \xff", 6);
	assert_int_equal(e.mode, S_IFREG | 0644);
	assert_int_equal(e.size, 10);
	assert_int_equal(e.mtime_ns, 5);
	assert_int_equal(e.ino, 77);
	assert_int_equal(e.btime_ns, 1);
	assert_true(e.local && !e.deleted && !e.has_content);
	rows_release(&rows);
	assert_int_equal(entry_get(library_db(&t->l), 999, &e, &rows), -ENOENT);
	assert_null(rows.stmt);
}

static void test_by_uuid(void **state)
{
	struct tree *t = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t first = put(t, t->root, "a", step_file(1)), second = put(t, t->root, "b", step_file(2));
	struct uuid a = library_uuid(&t->l, first), b = library_uuid(&t->l, second), other = uuid_random();
	struct entry e;

	assert_true(uuid_cmp(&a, &b) < 0); /* in the order of creation */
	assert_int_equal(entry_by_uuid(library_db(&t->l), &b, &e, &rows), 0);
	assert_int_equal(e.id, second);
	rows_release(&rows);
	assert_int_equal(entry_by_uuid(library_db(&t->l), &other, &e, &rows), -ENOENT);
}

static void test_root_is_a_nameless_directory(void **state)
{
	struct tree *t = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry e;

	assert_int_equal(entry_get(library_db(&t->l), t->root, &e, &rows), 0);
	assert_int_equal(e.name_len, 0);
	assert_int_equal(e.parent, 0);
	assert_int_equal(e.mode, S_IFDIR | 0755);
	assert_int_equal(e.ino, 2);
}

static void test_child_is_the_highest_version(void **state)
{
	struct tree *t = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t first = put(t, t->root, "a", step_file(1));
	int64_t second = put(t, t->root, "a", step_file(2)); /* as another device's rows may stand for a moment */
	struct entry_attr attr = step_file(1);
	struct entry e;

	assert_int_equal(entry_child(library_db(&t->l), t->root, "a", 1, &e, &rows), 0);
	assert_int_equal(e.id, second);
	rows_release(&rows);
	attr.size++;
	assert_int_equal(step_update(t->l.store, first, attr), 0);
	assert_int_equal(entry_child(library_db(&t->l), t->root, "a", 1, &e, &rows), 0);
	assert_int_equal(e.id, first);
	rows_release(&rows);
	assert_int_equal(step_delete(t->l.store, first), 0);
	assert_int_equal(entry_child(library_db(&t->l), t->root, "a", 1, &e, &rows), 0);
	assert_int_equal(e.id, second);
	assert_int_equal(e.ino, 2);
	rows_release(&rows);
	assert_int_equal(entry_child(library_db(&t->l), t->root, "A", 1, &e, &rows), -ENOENT);
}

/* --- lists --- */

static void test_list_goes_on_while_rows_change(void **state)
{
	struct tree *t = *state;
	int64_t ids[100], after = 0;
	unsigned seen[103] = {0};
	char name[16];
	int calls = 0;

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%03d", 99 - i);
		ids[i] = put(t, t->root, name, step_file((uint64_t)i + 1));
	}
	for (;; calls++) {
		struct rows rows = ROWS_INIT;
		struct entry e;
		int r = 1, n = 0;
		assert_int_equal(entry_list(library_db(&t->l), t->root, after, true, &rows), 0);
		while (n < 10 && (r = entry_next(&rows, &e)) == 0) {
			assert_true(e.id > after);
			seen[e.id - ids[0]]++;
			assert_int_equal(e.ino != 0, 1);
			after = e.id;
			n++;
		}
		rows_release(&rows);
		if (r != 0)
			break;
		if (calls == 3) {
			assert_int_equal(step_delete(t->l.store, ids[5]), 0);  /* was listed */
			assert_int_equal(step_delete(t->l.store, ids[60]), 0); /* was not */
			assert_int_equal(step_move(t->l.store, ids[61], t->root, "renamed"), 0);
			put(t, t->root, "new", step_file(500));
		}
	}
	for (int i = 0; i < 101; i++)
		assert_int_equal(seen[i], i != 60);
}

static void test_list_of_another_parent_is_empty(void **state)
{
	struct tree *t = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t dir = put(t, t->root, "d", step_dir(1));
	struct entry e;

	assert_int_equal(entry_list(library_db(&t->l), dir, 0, false, &rows), 0);
	assert_int_equal(entry_next(&rows, &e), 1);
}

static void test_by_inode_knows_the_dead(void **state)
{
	struct tree *t = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t a = put(t, t->root, "a", step_file(7)), b = put(t, t->root, "b", step_file(7));
	int64_t other;
	struct entry e;

	put(t, t->root, "c", step_file(8));
	assert_int_equal(step_location_add(t->l.store, "other", &other), 0);
	assert_int_equal(step_insert(t->l.store, other, library_root(&t->l, other), "d", step_file(7), &(int64_t){0}),
			 0);
	assert_int_equal(step_delete(t->l.store, a), 0);
	assert_int_equal(entry_by_inode(library_db(&t->l), t->location, 7, &rows), 0);
	assert_int_equal(entry_next(&rows, &e), 0);
	assert_int_equal(e.id, a);
	assert_true(e.deleted);
	assert_int_equal(entry_next(&rows, &e), 0);
	assert_int_equal(e.id, b);
	assert_int_equal(entry_next(&rows, &e), 1);
}

/* A second member with a location and one file, as replication would bring it. */
#define PEER                                                                                                           \
	"INSERT INTO device (id, uuid, name, member) VALUES (2, x'00112233445566778899aabbccddeeff', 'peer', 1);"      \
	"INSERT INTO location (id, device, prefix, name, path, root) VALUES (50, 2, 4242, 'far', '/far', 5000);"       \
	"INSERT INTO entry (id, location, seq, parent, name, mode, size, mtime_ns, version)"                           \
	" VALUES (5000, 50, 0, 0, '', 16877, 0, 1, 1);"                                                                \
	"INSERT INTO entry (id, location, seq, parent, name, mode, size, mtime_ns, content, version)"                  \
	" VALUES (5001, 50, 1, 5000, 'f', 33188, 10, 1, x'07070707070707070707070707070707', 2);"

static void assert_by_content(struct tree *t, uint8_t byte, const int64_t *ids, size_t count)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	uint8_t content[HASH128_LEN];
	struct entry e;

	memset(content, byte, sizeof(content));
	assert_int_equal(entry_by_content(library_db(&t->l), content, &rows), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(entry_next(&rows, &e), 0);
		assert_int_equal(e.id, ids[i]);
		assert_int_equal(e.local, ids[i] != 5001);
		assert_true(e.has_content && memcmp(e.content, content, sizeof(content)) == 0);
	}
	assert_int_equal(entry_next(&rows, &e), 1);
}

static void test_by_content(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_file(1);
	int64_t a = put(t, t->root, "a", attr), b = put(t, t->root, "b", attr), c, other;

	assert_int_equal(step_sql(t->l.store, PEER), 0);
	assert_int_equal(step_location_add(t->l.store, "other", &other), 0);
	assert_int_equal(step_insert(t->l.store, other, library_root(&t->l, other), "c", attr, &c), 0);
	assert_true(c > 5001);
	assert_int_equal(step_content(t->l.store, a, &attr, 7), 0);
	assert_int_equal(step_content(t->l.store, b, &attr, 8), 0);
	assert_int_equal(step_content(t->l.store, c, &attr, 7), 0);
	assert_by_content(t, 7, (int64_t[]){a, c, 5001}, 3);
	assert_int_equal(step_location_remove(t->l.store, other), 0);
	assert_by_content(t, 7, (int64_t[]){a, 5001}, 2);
	assert_int_equal(step_delete(t->l.store, a), 0);
	assert_by_content(t, 7, (int64_t[]){5001}, 1);
	assert_int_equal(step_sql(t->l.store, "UPDATE device SET member = 0 WHERE id = 2"), 0);
	assert_by_content(t, 7, NULL, 0);
	assert_by_content(t, 9, NULL, 0);
}

static void test_list_unhashed(void **state)
{
	struct tree *t = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry_attr attr = step_file(1), empty = step_file(2);
	int64_t a = put(t, t->root, "a", attr), hashed = put(t, t->root, "b", attr), gone = put(t, t->root, "c", attr);
	int64_t last = put(t, t->root, "d", attr);
	struct entry e;

	empty.size = 0;
	put(t, t->root, "e", empty);
	put(t, t->root, "f", step_dir(9));
	assert_int_equal(step_sql(t->l.store, PEER "UPDATE entry SET content = NULL WHERE id = 5001"), 0);
	assert_int_equal(step_content(t->l.store, hashed, &attr, 1), 0);
	assert_int_equal(step_delete(t->l.store, gone), 0);
	assert_int_equal(entry_list_unhashed(library_db(&t->l), 0, &rows), 0);
	assert_int_equal(entry_next(&rows, &e), 0);
	assert_int_equal(e.id, a);
	assert_int_equal(entry_next(&rows, &e), 0);
	assert_int_equal(e.id, last);
	assert_int_equal(entry_next(&rows, &e), 1);
	rows_release(&rows);
	assert_int_equal(entry_list_unhashed(library_db(&t->l), a, &rows), 0);
	assert_int_equal(entry_next(&rows, &e), 0);
	assert_int_equal(e.id, last);
}

static void test_another_devices_rows_are_not_ours(void **state)
{
	struct tree *t = *state;
	struct store *store = t->l.store;
	struct entry_attr attr = step_file(1);
	int64_t id;

	assert_int_equal(step_sql(store, PEER), 0);
	assert_int_equal(step_insert(store, 50, 5000, "x", attr, &id), -EPERM);
	assert_int_equal(step_update(store, 5001, attr), -EPERM);
	assert_int_equal(step_move(store, 5001, 5000, "x"), -EPERM);
	assert_int_equal(step_delete(store, 5001), -EPERM);
	assert_int_equal(step_content(store, 5001, &attr, 1), -EPERM);
	assert_int_equal(step_location_remove(store, 50), -EPERM);
	assert_int_equal(step_insert(store, 51, 5000, "x", attr, &id), -ENOENT);
}

/* --- paths --- */

static void assert_path(struct tree *t, int64_t id, int result, const char *path)
{
	_cleanup_(buf_release) struct buf buf = BUF_INIT;

	buf_append_str(&buf, "before:");
	assert_int_equal(entry_path(library_db(&t->l), id, &buf), result);
	buf_append(&buf, "", 1);
	assert_memory_equal(buf.data, "before:", 7);
	assert_string_equal((char *)buf.data + 7, path);
}

static void test_path(void **state)
{
	struct tree *t = *state;
	int64_t a = put(t, t->root, "a", step_dir(1)), b = put(t, a, "b\xff", step_dir(2)),
		c = put(t, b, "c", step_file(3));

	assert_path(t, t->root, 0, "");
	assert_path(t, a, 0, "a");
	assert_path(t, c, 0, "a/b\xff/c");
	assert_path(t, 999, -ENOENT, "");
	assert_int_equal(entry_is_reachable(library_db(&t->l), c), 1);
	assert_int_equal(entry_is_reachable(library_db(&t->l), t->root), 1);
	assert_int_equal(entry_is_reachable(library_db(&t->l), 999), 0);
}

static void test_path_of_the_dead(void **state)
{
	struct tree *t = *state;
	int64_t a = put(t, t->root, "a", step_dir(1)), b = put(t, a, "b", step_file(2)),
		c = put(t, a, "c", step_file(3));

	assert_int_equal(step_delete(t->l.store, b), 0);
	assert_path(t, b, 0, "a/b");
	assert_int_equal(entry_is_reachable(library_db(&t->l), b), 0);
	assert_int_equal(step_delete(t->l.store, a), 0);
	assert_path(t, c, 0, "a/c");
	assert_int_equal(step_sql(t->l.store, "UPDATE entry SET deleted = 0 WHERE name = 'c'"), 0);
	assert_path(t, c, -ENOENT, ""); /* alive below a dead one */
	assert_int_equal(entry_is_reachable(library_db(&t->l), c), 0);
}

static void test_path_in_a_removed_location(void **state)
{
	struct tree *t = *state;
	int64_t a = put(t, t->root, "a", step_file(1));

	assert_int_equal(step_location_remove(t->l.store, t->location), 0);
	assert_path(t, a, -ENOENT, "");
	assert_path(t, t->root, -ENOENT, "");
	assert_int_equal(entry_is_reachable(library_db(&t->l), a), 0);
}

static void test_path_of_a_removed_device(void **state)
{
	struct tree *t = *state;

	assert_int_equal(step_sql(t->l.store, PEER), 0);
	assert_path(t, 5001, 0, "f");
	assert_int_equal(step_sql(t->l.store, "UPDATE device SET member = 0 WHERE id = 2"), 0);
	assert_int_equal(entry_is_reachable(library_db(&t->l), 5001), 0);
}

static void test_path_through_a_stub(void **state)
{
	struct tree *t = *state;

	assert_int_equal(step_sql(t->l.store, PEER
				  "INSERT INTO entry (id, location, seq, parent, name, mode, size, mtime_ns, version)"
				  " VALUES (6000, 50, 9, 0, '', 0, 0, 0, 0);"
				  "UPDATE entry SET parent = 6000 WHERE id = 5001"),
			 0);
	assert_path(t, 5001, -ENOENT, "");
	assert_path(t, 6000, -ENOENT, "");
	assert_int_equal(entry_is_reachable(library_db(&t->l), 5001), 0);
}

static void test_cycle_is_an_error(void **state)
{
	struct tree *t = *state;
	int64_t a = put(t, t->root, "a", step_dir(1)), b = put(t, a, "b", step_dir(2)),
		c = put(t, b, "c", step_file(3));
	_cleanup_(free_ptr) char *sql = NULL;

	assert_true(asprintf(&sql, "UPDATE entry SET parent = %lld WHERE id = %lld", (long long)b, (long long)a) > 0);
	assert_int_equal(step_sql(t->l.store, sql), 0);
	assert_path(t, c, -ELOOP, "");
	assert_int_equal(entry_is_reachable(library_db(&t->l), c), 0);
	assert_int_equal(step_delete(t->l.store, a), 0); /* ends */
	assert_int_equal(step_number(t->l.store, "SELECT count(*) FROM entry WHERE deleted = 1"), 3);
}

static void test_depth_has_a_bound(void **state)
{
	struct tree *t = *state;
	int64_t deepest;

	assert_int_equal(
	    step_sql(t->l.store,
		     "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
		     " INSERT INTO entry (location, seq, parent, name, mode, size, mtime_ns, version)"
		     " SELECT 1, 100 + i, (SELECT max(id) FROM entry) + i - 1, 'd', 16877, 0, 0, 100 + i FROM n"),
	    0);
	deepest = step_number(t->l.store, "SELECT max(id) FROM entry");
	assert_path(t, deepest, -ELOOP, "");
	assert_int_equal(entry_is_reachable(library_db(&t->l), deepest - 1000), 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_get),
	    TEST(test_by_uuid),
	    TEST(test_root_is_a_nameless_directory),
	    TEST(test_child_is_the_highest_version),
	    TEST(test_list_goes_on_while_rows_change),
	    TEST(test_list_of_another_parent_is_empty),
	    TEST(test_by_inode_knows_the_dead),
	    TEST(test_by_content),
	    TEST(test_list_unhashed),
	    TEST(test_another_devices_rows_are_not_ours),
	    TEST(test_path),
	    TEST(test_path_of_the_dead),
	    TEST(test_path_in_a_removed_location),
	    TEST(test_path_of_a_removed_device),
	    TEST(test_path_through_a_stub),
	    TEST(test_cycle_is_an_error),
	    TEST(test_depth_has_a_bound),
	};

	return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
