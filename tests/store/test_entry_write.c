/* Changing entries: the rows, and exactly the notices that each change owes. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/collection.h"
#include "store/internal.h"
#include "store/location.h"
#include "tests/lib/library.h"
#include "tests/store/heard.h"
#include "tests/store/steps.h"

#define LL(id) ((long long)(id))

struct tree {
	struct library l;
	struct store *store;
	struct heard heard;
	int64_t location, root;
};

static int setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	library_init(&t->l);
	t->store = t->l.store;
	assert_int_equal(step_location_add(t->store, "home", &t->location), 0);
	t->root = library_root(&t->l, t->location);
	heard_init(&t->heard, t->store);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;

	heard_release(&t->heard);
	library_assert_clean(&t->l);
	library_release(&t->l);
	free(t);
	return 0;
}

static int64_t put(struct tree *t, int64_t parent, const char *name, struct entry_attr attr)
{
	int64_t id = 0;

	assert_int_equal(step_insert(t->store, t->location, parent, name, attr, &id), 0);
	heard_exactly(&t->heard, "listing e%lld\n", LL(parent));
	return id;
}

static struct entry get(struct tree *t, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry e;

	assert_int_equal(entry_get(library_db(&t->l), id, &e, &rows), 0);
	e.name = NULL;
	return e;
}

static int64_t last_version(struct tree *t)
{
	return step_number(t->store, "SELECT position FROM stream WHERE kind = 17");
}

static void quiet(struct tree *t)
{
	pthread_mutex_lock(&t->heard.lock);
	buf_clear(&t->heard.text);
	pthread_mutex_unlock(&t->heard.lock);
}

static void set_content(struct tree *t, int64_t id, uint8_t byte)
{
	struct entry e = get(t, id);
	struct entry_attr attr = {.size = e.size, .mtime_ns = e.mtime_ns};

	assert_int_equal(step_content(t->store, id, &attr, byte), 0);
}

/* --- insert --- */

static void test_insert_refuses_names(void **state)
{
	struct tree *t = *state;
	int64_t id;

	assert_int_equal(step_insert(t->store, t->location, t->root, "", step_file(1), &id), -EINVAL);
	assert_int_equal(step_insert(t->store, t->location, t->root, "..", step_file(1), &id), -EINVAL);
	assert_int_equal(step_insert(t->store, t->location, t->root, "a/b", step_file(1), &id), -EINVAL);
	heard_exactly(&t->heard, "%s", "");
}

static void test_insert_into_a_removed_location(void **state)
{
	struct tree *t = *state;
	int64_t id;

	assert_int_equal(step_location_remove(t->store, t->location), 0);
	assert_int_equal(step_insert(t->store, t->location, t->root, "a", step_file(1), &id), -ENOENT);
}

struct many {
	struct tree *t;
	int64_t parent;
	int next, end;
	int transactions;
};

static int insert_many(struct txn *txn, void *arg)
{
	struct many *many = arg;

	many->transactions++;
	for (; many->next < many->end && !txn_should_yield(txn); many->next++) {
		char name[16];
		int64_t id;
		int len = snprintf(name, sizeof(name), "file%06d", many->next);
		const struct entry_place place = {many->t->location, many->parent, name, (size_t)len};
		struct entry_attr attr = step_file((uint64_t)many->next + 100);
		int r = entry_insert(txn, &place, &attr, &id);
		if (r < 0)
			return r;
	}
	return 0;
}

static void test_a_hundred_thousand_inserts(void **state)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	struct tree *t = *state;
	struct many many = {.t = t, .parent = t->root, .end = 100000};

	while (many.next < many.end)
		assert_int_equal(store_write(t->store, &opts, insert_many, &many), 0);
	assert_int_equal(t->heard.count, many.transactions); /* equal LISTING notices of one transaction are one */
	assert_true(t->heard.bulk);
	quiet(t);
	assert_int_equal(step_number(t->store, "SELECT count(*) FROM entry"), 100001);
	assert_int_equal(step_number(t->store, "SELECT count(DISTINCT version) FROM entry"), 100001);
	assert_int_equal(last_version(t), 100001);
	assert_int_equal(step_number(t->store, "SELECT next_seq FROM location"), 100001);
}

/* --- update --- */

static void test_update(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_file(1);
	int64_t id = put(t, t->root, "a", attr), version = last_version(t);

	attr.size = 11;
	assert_int_equal(step_update(t->store, id, attr), 0);
	heard_exactly(&t->heard, "attr e%lld/a=e%lld\n", LL(t->root), LL(id));
	assert_int_equal(last_version(t), version + 1);
	assert_int_equal(get(t, id).size, 11);

	assert_int_equal(step_update(t->store, id, attr), 0); /* all as it was */
	heard_exactly(&t->heard, "%s", "");
	assert_int_equal(last_version(t), version + 1);
	assert_int_equal(step_update(t->store, 999, attr), -ENOENT);
}

static void test_update_of_the_inode_alone_is_not_for_others(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_file(1);
	int64_t id = put(t, t->root, "a", attr), version = last_version(t);

	attr.ino = 2;
	attr.btime_ns = 99;
	assert_int_equal(step_update(t->store, id, attr), 0);
	heard_exactly(&t->heard, "attr e%lld/a=e%lld\n", LL(t->root), LL(id));
	assert_int_equal(last_version(t), version);
	assert_int_equal(get(t, id).ino, 2);
	assert_int_equal(get(t, id).btime_ns, 99);
}

static void test_update_of_a_root(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_dir(2);

	attr.mtime_ns = 1234;
	assert_int_equal(step_update(t->store, t->root, attr), 0);
	heard_exactly(&t->heard, "attr d1/home=e%lld\n", LL(t->root));
}

static void test_update_drops_content(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_file(1);
	int64_t id = put(t, t->root, "a", attr);

	set_content(t, id, 1);
	attr.mode = S_IFREG | 0600;
	assert_int_equal(step_update(t->store, id, attr), 0);
	assert_true(get(t, id).has_content); /* a mode says nothing about bytes */
	attr.mtime_ns++;
	assert_int_equal(step_update(t->store, id, attr), 0);
	assert_false(get(t, id).has_content);
	set_content(t, id, 1);
	attr.ino++;
	assert_int_equal(step_update(t->store, id, attr), 0);
	assert_false(get(t, id).has_content);
	set_content(t, id, 1);
	attr.size++;
	assert_int_equal(step_update(t->store, id, attr), 0);
	assert_false(get(t, id).has_content);
	quiet(t);
}

static void test_unknown_inode_keeps_content(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_file(1);
	int64_t id = put(t, t->root, "a", attr);

	set_content(t, id, 1);
	assert_int_equal(step_sql(t->store, "DELETE FROM local_entry"), 0); /* may be rebuilt by a scan */
	assert_int_equal(step_update(t->store, id, attr), 0);
	assert_true(get(t, id).has_content);
	assert_int_equal(get(t, id).ino, 1);
	quiet(t);
	assert_int_equal(step_update(t->store, t->root, step_dir(2)), 0);
	quiet(t);
}

/* --- move --- */

static void test_rename_a_file(void **state)
{
	struct tree *t = *state;
	int64_t a = put(t, t->root, "a", step_file(1)), d = put(t, t->root, "d", step_dir(2));

	assert_int_equal(step_move(t->store, a, d, "b"), 0);
	heard_exactly(&t->heard, "name e%lld/a=e%lld\nlisting e%lld\nname e%lld/b=e%lld\nlinks e%lld\n", LL(t->root),
		      LL(a), LL(d), LL(d), LL(a), LL(a));
	assert_int_equal(get(t, a).parent, d);
	assert_int_equal(step_move(t->store, a, d, "b"), 0); /* nothing to do */
	heard_exactly(&t->heard, "%s", "");
}

static void test_rename_a_directory(void **state)
{
	struct tree *t = *state;
	int64_t d = put(t, t->root, "d", step_dir(2));

	assert_int_equal(step_move(t->store, d, t->root, "e"), 0);
	heard_exactly(&t->heard, "name e%lld/d=e%lld\nlisting e%lld\nname e%lld/e=e%lld\nlinks e%lld\nbelow e%lld\n",
		      LL(t->root), LL(d), LL(t->root), LL(t->root), LL(d), LL(d), LL(d));
}

static void test_move_refuses(void **state)
{
	struct tree *t = *state;
	int64_t a = put(t, t->root, "a", step_dir(1)), b = put(t, a, "b", step_dir(2)),
		f = put(t, b, "f", step_file(3));
	int64_t other;

	assert_int_equal(step_move(t->store, a, a, "x"), -ELOOP);
	assert_int_equal(step_move(t->store, a, b, "x"), -ELOOP);
	assert_int_equal(step_move(t->store, a, f, "x"), -ENOENT); /* no directory */
	assert_int_equal(step_move(t->store, f, 999, "x"), -ENOENT);
	assert_int_equal(step_move(t->store, 999, a, "x"), -ENOENT);
	assert_int_equal(step_move(t->store, f, a, "x/y"), -EINVAL);
	assert_int_equal(step_move(t->store, t->root, a, "x"), -EINVAL);
	assert_int_equal(step_location_add(t->store, "other", &other), 0);
	assert_int_equal(step_move(t->store, f, library_root(&t->l, other), "x"), -ENOENT);
	heard_exactly(&t->heard, "listing d1\n");
	assert_int_equal(step_move(t->store, b, t->root, "b"), 0);
	assert_int_equal(step_move(t->store, a, b, "a"), 0); /* no loop any more */
	quiet(t);
}

static void test_revive(void **state)
{
	struct tree *t = *state;
	int64_t d = put(t, t->root, "d", step_dir(1)), f = put(t, d, "f", step_file(2));
	struct uuid before = library_uuid(&t->l, d), after;

	assert_int_equal(step_delete(t->store, d), 0);
	quiet(t);
	assert_int_equal(step_update(t->store, d, step_dir(1)), -ENOENT);
	assert_int_equal(step_move(t->store, d, t->root, "again"), 0);
	heard_exactly(&t->heard, "listing e%lld\nlinks e%lld\n", LL(t->root), LL(d));
	after = library_uuid(&t->l, d);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_false(get(t, d).deleted);
	assert_true(get(t, f).deleted); /* what was below stays deleted */
	assert_int_equal(step_delete(t->store, d), 0);
	assert_int_equal(step_move(t->store, f, d, "f"), -ENOENT); /* not below a dead one */
	quiet(t);
}

/* --- delete --- */

static void test_delete_a_tree(void **state)
{
	struct tree *t = *state;
	int64_t d = put(t, t->root, "d", step_dir(1)), e = put(t, d, "e", step_dir(2)),
		f = put(t, d, "f", step_file(3));
	int64_t g = put(t, e, "g", step_file(4)), h = put(t, t->root, "h", step_file(5)), version = last_version(t);

	assert_int_equal(step_delete(t->store, d), 0);
	heard_exactly(&t->heard, "name e%lld/d=e%lld\nname e%lld/e=e%lld\nname e%lld/f=e%lld\nname e%lld/g=e%lld\n",
		      LL(t->root), LL(d), LL(d), LL(e), LL(d), LL(f), LL(e), LL(g));
	assert_int_equal(last_version(t), version + 4);
	assert_false(get(t, h).deleted);
	assert_int_equal(step_number(t->store, "SELECT count(*) FROM entry WHERE deleted = 1"), 4);
	assert_int_equal(step_number(t->store, "SELECT count(*) FROM local_entry"), 6);
	assert_int_equal(step_delete(t->store, d), -ENOENT);
	assert_int_equal(step_delete(t->store, 999), -ENOENT);
	assert_int_equal(step_delete(t->store, t->root), -EINVAL);
}

static void test_delete_tells_of_links(void **state)
{
	struct tree *t = *state;
	int64_t tagged = put(t, t->root, "tagged", step_file(1)), copy = put(t, t->root, "copy", step_file(2));
	int64_t apart = put(t, t->root, "apart", step_file(3)), d = put(t, t->root, "d", step_dir(4));
	int64_t tag = library_tag(&t->l, "t");

	set_content(t, tagged, 1);
	set_content(t, apart, 2);
	assert_int_equal(library_pair(&t->l, tag, tagged, "tagged", NULL), 0);
	assert_int_equal(library_pair(&t->l, tag, d, "d", NULL), 0);
	set_content(t, copy, 1);
	quiet(t);
	assert_int_equal(step_delete(t->store, apart), 0);
	heard_exactly(&t->heard, "name e%lld/apart=e%lld\n", LL(t->root), LL(apart));
	assert_int_equal(step_delete(t->store, copy), 0);
	heard_exactly(&t->heard, "name e%lld/copy=e%lld\nlinks e%lld\n", LL(t->root), LL(copy), LL(copy));
	assert_int_equal(step_delete(t->store, tagged), 0);
	heard_exactly(&t->heard, "name e%lld/tagged=e%lld\nlinks e%lld\n", LL(t->root), LL(tagged), LL(tagged));
	assert_int_equal(step_delete(t->store, d), 0);
	heard_exactly(&t->heard, "name e%lld/d=e%lld\nlinks e%lld\n", LL(t->root), LL(d), LL(d));
	assert_true(get(t, tagged).has_content); /* a tombstone keeps it */
}

/* The pair does not know the content (its device has not told yet), but the entry that it names has it. */
static void test_copy_of_a_tagged_entry_without_the_pairs_content(void **state)
{
	struct tree *t = *state;
	int64_t tagged = put(t, t->root, "tagged", step_file(1)), copy = put(t, t->root, "copy", step_file(2));
	int64_t tag = library_tag(&t->l, "t");

	set_content(t, tagged, 1);
	assert_int_equal(library_pair(&t->l, tag, tagged, "tagged", NULL), 0);
	assert_int_equal(step_sql(t->store, "UPDATE pair SET content = x'' "), 0);
	quiet(t);
	set_content(t, copy, 1);
	heard_exactly(&t->heard, "links e%lld\n", LL(copy));
	assert_int_equal(step_delete(t->store, copy), 0);
	heard_exactly(&t->heard, "name e%lld/copy=e%lld\nlinks e%lld\n", LL(t->root), LL(copy), LL(copy));
	/* As it was: digests are kept over it. */
	assert_int_equal(step_sql(t->store, "UPDATE pair SET content = x'01010101010101010101010101010101'"), 0);
}

/* --- content --- */

static void test_set_content_of_another_state_is_stale(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_file(1), wrong = attr;
	int64_t id = put(t, t->root, "a", attr), d = put(t, t->root, "d", step_dir(2));

	wrong.size++;
	assert_int_equal(step_content(t->store, id, &wrong, 1), -ERR_STALE);
	wrong = attr;
	wrong.mtime_ns++;
	assert_int_equal(step_content(t->store, id, &wrong, 1), -ERR_STALE);
	assert_int_equal(step_content(t->store, 999, &attr, 1), -ERR_STALE);
	attr = step_dir(2);
	assert_int_equal(step_content(t->store, d, &attr, 1), -ERR_STALE);
	attr = step_file(1);
	assert_int_equal(step_delete(t->store, id), 0);
	assert_int_equal(step_content(t->store, id, &attr, 1), -ERR_STALE);
	quiet(t);
}

static void test_set_content(void **state)
{
	struct tree *t = *state;
	int64_t id = put(t, t->root, "a", step_file(1)), version = last_version(t);

	set_content(t, id, 1);
	heard_exactly(&t->heard, "%s", ""); /* no link is concerned */
	assert_int_equal(last_version(t), version + 1);
	set_content(t, id, 1);
	assert_int_equal(last_version(t), version + 1);
}

static void test_set_content_refreshes_pairs_through_the_log(void **state)
{
	struct tree *t = *state;
	int64_t a = put(t, t->root, "a", step_file(1)), tag = library_tag(&t->l, "t"),
		album = library_album(&t->l, "b");
	int64_t position;

	assert_int_equal(library_pair(&t->l, tag, a, "a", NULL), 0);
	assert_int_equal(library_pair(&t->l, album, a, "a", NULL), 0);
	assert_int_equal(library_pair(&t->l, COLLECTION_FAVORITES_ID, a, "a", NULL), 0);
	position = step_number(t->store, "SELECT position FROM shared_stream");
	quiet(t);
	set_content(t, a, 5);
	/* The links are named too: where the entry is gone, what stands in for it is another file now. */
	heard_exactly(&t->heard, "links e%lld\nname f5/a=p3\nname c%lld/a=p1\nname c%lld/a=p2\n", LL(a), LL(tag), LL(album));
	assert_int_equal(
	    step_number(t->store, "SELECT count(*) FROM pair WHERE content = x'05050505050505050505050505050505'"), 3);
	assert_int_equal(step_number(t->store, "SELECT position FROM shared_stream"), position + 1);
	set_content(t, a, 5);
	assert_int_equal(step_number(t->store, "SELECT position FROM shared_stream"), position + 1);
}

/* When the copy changes, a link by content that led to it must be found although the copy has no content id any more.
 */
static void test_lost_content_names_the_links(void **state)
{
	struct tree *t = *state;
	struct entry_attr attr = step_file(2);
	int64_t tagged = put(t, t->root, "tagged", step_file(1)), copy = put(t, t->root, "copy", attr);
	int64_t tag = library_tag(&t->l, "t"), pair, favorite;

	set_content(t, tagged, 1);
	set_content(t, copy, 1);
	assert_int_equal(library_pair(&t->l, tag, tagged, "link", &pair), 0);
	assert_int_equal(library_pair(&t->l, COLLECTION_FAVORITES_ID, tagged, "fav", &favorite), 0);
	quiet(t);
	attr.size = 99;
	assert_int_equal(step_update(t->store, copy, attr), 0);
	heard_exactly(&t->heard, "attr e%lld/copy=e%lld\nlinks e%lld\nname c%lld/link=p%lld\nname f5/fav=p%lld\n",
		      LL(t->root), LL(copy), LL(copy), LL(tag), LL(pair), LL(favorite));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_insert_refuses_names),
	    TEST(test_insert_into_a_removed_location),
	    TEST(test_a_hundred_thousand_inserts),
	    TEST(test_update),
	    TEST(test_update_of_the_inode_alone_is_not_for_others),
	    TEST(test_update_of_a_root),
	    TEST(test_update_drops_content),
	    TEST(test_unknown_inode_keeps_content),
	    TEST(test_rename_a_file),
	    TEST(test_rename_a_directory),
	    TEST(test_move_refuses),
	    TEST(test_revive),
	    TEST(test_delete_a_tree),
	    TEST(test_delete_tells_of_links),
	    TEST(test_copy_of_a_tagged_entry_without_the_pairs_content),
	    TEST(test_set_content_of_another_state_is_stale),
	    TEST(test_set_content),
	    TEST(test_set_content_refreshes_pairs_through_the_log),
	    TEST(test_lost_content_names_the_links),
	};

	return cmocka_run_group_tests_name("entry_write", tests, NULL, NULL);
}
