/* Tags, albums, favorites and their pairs: what a user does to them, the rules by which concurrent changes merge, and that
 * all of it goes through the log. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/apply.h"
#include "store/check.h"
#include "store/collection.h"
#include "store/db.h"
#include "store/notice.h"
#include "store/object.h"
#include "store/oplog.h"
#include "store/pair.h"
#include "sync/naming.h"
#include "tests/lib/library.h"

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

/* One call inside a write, with what most of them take. */
struct call {
	int (*run)(struct txn *txn, struct call *c);
	int64_t id, other, ret;
	const char *name;
	int64_t replaced;
	const struct change_set *set;
	struct stamp stamp;
};

static int run_call(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return c->run(txn, c);
}

#define CALL(l, body, ...)                                     \
	({                                                     \
		struct call call_ = { __VA_ARGS__ };           \
		call_.run = body;                              \
		library_write((l), run_call, &call_);          \
	})

static int do_create_tag(struct txn *txn, struct call *c)
{
	return collection_create(txn, COLLECTION_TAG, c->name, strlen(c->name), &c->ret);
}

static int do_rename(struct txn *txn, struct call *c)
{
	return collection_rename(txn, c->id, c->name, strlen(c->name));
}

static int do_replace(struct txn *txn, struct call *c)
{
	return collection_replace(txn, c->id, c->other);
}

static int do_remove(struct txn *txn, struct call *c)
{
	return collection_remove(txn, c->id);
}

static int do_pair_remove(struct txn *txn, struct call *c)
{
	return pair_remove(txn, c->id);
}

static int do_pair_rename(struct txn *txn, struct call *c)
{
	return pair_rename(txn, c->id, c->name, strlen(c->name), c->replaced);
}

static int do_pair_move(struct txn *txn, struct call *c)
{
	return pair_move(txn, c->id, c->other, c->name, strlen(c->name), c->replaced);
}

static int do_adopt(struct txn *txn, struct call *c)
{
	return pair_adopt(txn, c->id, c->other);
}

static int do_apply(struct txn *txn, struct call *c)
{
	return apply_change_set(txn, c->set, &c->stamp);
}

static int do_cut(struct txn *txn, struct call *c)
{
	return oplog_cut(txn);
}

/* "a b c": names of the live pairs of a collection that have a target, sorted by id. */
static const char *links(struct library *l, int64_t collection)
{
	static char text[4096];
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int64_t target;

	text[0] = '\0';
	assert_int_equal(pair_list(library_db(l), collection, 0, &rows), 0);
	while (pair_next(&rows, &pair) == 0) {
		if (pair_target(library_db(l), &pair, &target) == 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", text[0] ? " " : "",
				 (int)pair.name_len, pair.name);
	}
	return text;
}

/* The number of the last record of this device. The records themselves may be cut at any time. */
static int64_t log_position(struct library *l)
{
	int r = 0;
	_cleanup_(stmt_done) sqlite3_stmt *stmt = db_stmt(library_db(l), STMT_LOG_HEAD, &r);

	bind_int(stmt, 1, 1);
	assert_int_equal(stmt_step(stmt), 0);
	return sqlite3_column_int64(stmt, 0);
}

/* "a b": shown tags by id. */
static const char *tags(struct library *l)
{
	static char text[4096];
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection c;

	text[0] = '\0';
	assert_int_equal(collection_list(library_db(l), COLLECTION_TAG, 0, &rows), 0);
	while (collection_next(&rows, &c) == 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", text[0] ? " " : "", (int)c.name_len, c.name);
	return text;
}

static int64_t target_of(struct library *l, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int64_t target = 0;

	assert_int_equal(pair_get(library_db(l), id, &pair, &rows), 0);
	return pair_target(library_db(l), &pair, &target) == 0 ? target : 0;
}

/* --- collections --- */

static void test_create_is_deterministic(void **state)
{
	struct library *l = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection c;
	struct uuid expected = naming_collection(MODEL_TAG, "Vacation", 8);
	int64_t id = library_tag(l, "Vacation");

	assert_int_equal(collection_get(library_db(l), id, &c, &rows), 0);
	assert_memory_equal(&c.uuid, &expected, UUID_LEN);
	assert_true(c.shown);
	assert_int_equal(CALL(l, do_create_tag, .name = "Vacation"), -EEXIST);
	assert_int_equal(CALL(l, do_create_tag, .name = "a/b"), -EINVAL);
	assert_int_equal(CALL(l, do_create_tag, .name = ".Trash-1000"), -EINVAL);
	assert_int_equal(CALL(l, do_create_tag, .name = "\xff"), -EINVAL);
}

static void test_names_compare_in_nfc(void **state)
{
	struct library *l = *state;
	int64_t id = library_tag(l, "caf\xc3\xa9");
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection c;

	assert_int_equal(CALL(l, do_create_tag, .name = "cafe\xcc\x81"), -EEXIST);
	assert_int_equal(collection_named(library_db(l), COLLECTION_TAG, "cafe\xcc\x81", 6, &rows), 0);
	assert_int_equal(collection_next(&rows, &c), 0);
	assert_int_equal(c.id, id);
	rows_release(&rows);
	/* Respelling one's own name is a rename like any other: shown as typed. */
	assert_int_equal(CALL(l, do_rename, .id = id, .name = "cafe\xcc\x81"), 0);
	assert_string_equal(tags(l), "cafe\xcc\x81");
}

static void test_rename_keeps_uuid_and_frees_the_name(void **state)
{
	struct library *l = *state;
	int64_t a = library_tag(l, "a"), anew;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection c;
	struct uuid first = naming_collection(MODEL_TAG, "a", 1), next = naming_collection_next(&first, "a", 1);

	assert_int_equal(CALL(l, do_rename, .id = a, .name = "b"), 0);
	assert_string_equal(tags(l), "b");
	anew = library_tag(l, "a");
	assert_int_not_equal(a, anew);
	assert_int_equal(collection_get(library_db(l), anew, &c, &rows), 0);
	assert_memory_equal(&c.uuid, &next, UUID_LEN);
	assert_int_equal(CALL(l, do_rename, .id = a, .name = "a"), -EEXIST);
}

static void test_remove_and_make_again_is_the_same_row(void **state)
{
	struct library *l = *state;
	int64_t a = library_tag(l, "a");

	assert_int_equal(CALL(l, do_remove, .id = a), 0);
	assert_string_equal(tags(l), "");
	assert_int_equal(CALL(l, do_remove, .id = a), -ENOENT);
	assert_int_equal(library_tag(l, "a"), a);
	assert_int_equal(CALL(l, do_remove, .id = COLLECTION_FAVORITES_ID), -EPERM);
}

static void test_remove_needs_no_listed_link(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), file = library_file(l, loc, library_root(l, loc), "x", 3);
	int64_t a = library_tag(l, "a"), b = library_tag(l, "b");

	assert_int_equal(library_pair(l, a, file, "x", NULL), 0);
	assert_int_equal(CALL(l, do_remove, .id = a), -ENOTEMPTY);
	assert_int_equal(CALL(l, do_replace, .id = b, .other = a), -ENOTEMPTY);
	assert_int_equal(CALL(l, do_replace, .id = a, .other = b), 0);
	assert_string_equal(tags(l), "b");
	assert_string_equal(links(l, a), "x");
	/* A pair whose file is gone does not count, and goes with its tag. */
	library_delete(l, file);
	assert_string_equal(links(l, a), "");
	assert_int_equal(CALL(l, do_remove, .id = a), 0);
	assert_string_equal(tags(l), "");
	library_assert_clean(l);
}

static void test_remove_takes_thousands_of_dead_pairs(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), dir = library_dir(l, loc, library_root(l, loc), "d");
	int64_t a = library_tag(l, "a");
	char name[16];

	for (int i = 0; i < 2500; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(library_pair(l, a, library_file(l, loc, dir, name, 3), name, NULL), 0);
	}
	library_delete(l, dir);
	assert_int_equal(CALL(l, do_remove, .id = a), 0);
	assert_string_equal(tags(l), "");
	library_assert_clean(l);
}

/* --- pairs --- */

static void test_pair_once_per_entry(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), file = library_file(l, loc, library_root(l, loc), "x", 3), id = 0;
	int64_t a = library_tag(l, "a");
	uint64_t count = 0;

	assert_int_equal(library_pair(l, a, file, "x", &id), 0);
	assert_int_equal(library_pair(l, a, file, "other", NULL), -EEXIST);
	assert_int_equal(library_pair(l, a, 999999, "y", NULL), -ENOENT);
	assert_int_equal(library_pair(l, 999999, file, "y", NULL), -ENOENT);
	assert_int_equal(library_pair(l, a, file, "a/b", NULL), -EINVAL);
	assert_int_equal(collection_count(library_db(l), a, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(target_of(l, id), file);
	assert_int_equal(CALL(l, do_pair_remove, .id = id), 0);
	assert_int_equal(CALL(l, do_pair_remove, .id = id), -ENOENT);
	assert_string_equal(links(l, a), "");
	/* Added again: the same row, so the same inode. */
	int64_t again = 0;
	assert_int_equal(library_pair(l, a, file, "y", &again), 0);
	assert_int_equal(again, id);
	assert_string_equal(links(l, a), "y");
}

static void test_pair_rename_and_replace(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), root = library_root(l, loc);
	int64_t a = library_tag(l, "a"), x = 0, y = 0;

	assert_int_equal(library_pair(l, a, library_file(l, loc, root, "x", 3), "x", &x), 0);
	assert_int_equal(library_pair(l, a, library_file(l, loc, root, "y", 3), "y", &y), 0);
	assert_int_equal(CALL(l, do_pair_rename, .id = x, .name = "z"), 0);
	assert_string_equal(links(l, a), "z y");
	assert_int_equal(CALL(l, do_pair_rename, .id = x, .name = "y", .replaced = y), 0);
	assert_string_equal(links(l, a), "y");
	assert_int_equal(CALL(l, do_pair_rename, .id = y, .name = "q"), -ENOENT);
}

static void test_pair_move_is_one_record(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), root = library_root(l, loc);
	int64_t file = library_file(l, loc, root, "x", 3), other = library_file(l, loc, root, "y", 3);
	int64_t a = library_tag(l, "a"), b = library_album(l, "b"), x = 0, y = 0;
	int64_t before;

	assert_int_equal(library_pair(l, a, file, "x", &x), 0);
	assert_int_equal(library_pair(l, b, other, "taken", &y), 0);
	before = log_position(l);
	assert_int_equal(CALL(l, do_pair_move, .id = x, .other = b, .name = "taken", .replaced = y), 0);
	assert_int_equal(log_position(l), before + 1);
	assert_string_equal(links(l, a), "");
	assert_string_equal(links(l, b), "taken");
	/* With the number that it had: the kernel goes on using it. */
	assert_int_equal(target_of(l, x), file);
	/* The entry is there already: one link remains, with the new name. */
	assert_int_equal(library_pair(l, a, file, "again", &x), 0);
	assert_int_equal(CALL(l, do_pair_move, .id = x, .other = b, .name = "new", .replaced = 0), 0);
	assert_int_equal(target_of(l, x), file);
	assert_string_equal(links(l, b), "new");
	assert_string_equal(links(l, a), "");
	/* To favorites as well. */
	assert_int_equal(library_pair(l, a, other, "o", &x), 0);
	assert_int_equal(CALL(l, do_pair_move, .id = x, .other = COLLECTION_FAVORITES_ID, .name = "o"), 0);
	assert_string_equal(links(l, COLLECTION_FAVORITES_ID), "o");
	library_assert_clean(l);
}

static void test_adopt(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), root = library_root(l, loc);
	int64_t old = library_file(l, loc, root, "old", 3), new = library_file(l, loc, root, "new", 3);
	int64_t a = library_tag(l, "a"), b = library_tag(l, "b"), in_b = 0;

	assert_int_equal(library_pair(l, a, old, "pa", NULL), 0);
	assert_int_equal(library_pair(l, b, old, "pb", NULL), 0);
	assert_int_equal(library_pair(l, b, new, "kept", &in_b), 0);
	assert_int_equal(CALL(l, do_adopt, .id = old, .other = new), 0);
	assert_string_equal(links(l, a), "pa");
	assert_string_equal(links(l, b), "kept");
	assert_int_equal(target_of(l, in_b), new);
}

/* Also of a file that left and came back over another, and of one that is in more than a change set holds. */
static void test_adopt_of_a_deleted_entry_and_many(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), root = library_root(l, loc);
	int64_t old = library_file(l, loc, root, "old", 3), new = library_file(l, loc, root, "new", 3), last = 0;
	char name[16];

	for (int i = 0; i < 1100; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		last = library_tag(l, name);
		assert_int_equal(library_pair(l, last, old, "x", NULL), 0);
	}
	library_delete(l, old);
	assert_string_equal(links(l, last), "");
	assert_int_equal(CALL(l, do_adopt, .id = old, .other = new), 0);
	assert_string_equal(links(l, last), "x");
	library_assert_clean(l);
}

struct many {
	const struct pair_new *pairs;
	size_t count, added;
};

static int add_many(struct txn *txn, void *arg)
{
	struct many *many = arg;

	return pair_add_many(txn, many->pairs, many->count, &many->added);
}

static void test_many(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), root = library_root(l, loc), a = library_tag(l, "a");
	int64_t x = library_file(l, loc, root, "x", 3), y = library_file(l, loc, root, "y", 3);

	assert_int_equal(library_pair(l, a, x, "x", NULL), 0);
	const struct pair_new pairs[] = {
		{ .collection = a, .entry = x, .name = "x2", .name_len = 2 },
		{ .collection = a, .entry = y, .name = "y", .name_len = 1 },
		{ .collection = a, .entry = y, .name = "y2", .name_len = 2 },
	};
	struct many many = { .pairs = pairs, .count = 3 };

	assert_int_equal(library_write(l, add_many, &many), 0);
	assert_int_equal(many.added, 1);
	assert_string_equal(links(l, a), "x y");
}

/* --- content stands in --- */

static void test_content_is_shared_knowledge(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), root = library_root(l, loc);
	int64_t first = library_file(l, loc, root, "first", 3), copy = library_file(l, loc, root, "copy", 3);
	int64_t empty = library_file(l, loc, root, "empty", 0);
	int64_t a = library_tag(l, "a"), id = 0, *ids = NULL;
	size_t count = 0;

	assert_int_equal(library_pair(l, a, first, "f", &id), 0);
	assert_int_equal(pair_collections_of(library_db(l), copy, COLLECTION_TAG, &ids, &count), 0);
	assert_int_equal(count, 0);
	free(ids);
	library_content(l, first, 1);
	library_content(l, copy, 1);
	assert_int_equal(pair_collections_of(library_db(l), copy, COLLECTION_TAG, &ids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(ids[0], a);
	free(ids);
	assert_int_equal(pair_entries_of(library_db(l), a, &ids, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(ids[0], first);
	assert_int_equal(ids[1], copy);
	free(ids);
	assert_int_equal(pair_reasons(library_db(l), a, copy, &ids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(ids[0], id);
	free(ids);
	assert_int_equal(pair_collections_of(library_db(l), empty, COLLECTION_TAG, &ids, &count), 0);
	assert_int_equal(count, 0);
	free(ids);
	/* The tagged one goes: the copy carries the tag on, through the content that the pair has learnt. */
	library_delete(l, first);
	assert_int_equal(target_of(l, id), copy);
	assert_string_equal(links(l, a), "f");
	assert_int_equal(pair_collections_of(library_db(l), copy, COLLECTION_TAG, &ids, &count), 0);
	assert_int_equal(count, 1);
	free(ids);
	library_delete(l, copy);
	assert_int_equal(target_of(l, id), 0);
	assert_string_equal(links(l, a), "");
	library_assert_clean(l);
}

/* --- merging --- */

static struct stamp stamp_of(struct library *l, uint64_t hlc, uint8_t device)
{
	struct stamp stamp = { .hlc = hlc };

	memset(stamp.device.bytes, device, UUID_LEN);
	return stamp;
}

/* A change to a tag as another device would send it. */
static void remote_tag(struct library *l, const char *name_of_uuid, const char *name, int live, struct stamp stamp)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct uuid uuid = naming_collection(MODEL_TAG, name_of_uuid, strlen(name_of_uuid));
	struct change *change = NULL;

	assert_int_equal(change_set_add(&set, MODEL_TAG, &uuid, NULL, &change), 0);
	if (name != NULL)
		assert_int_equal(change_put_bytes(&set, change, COLLECTION_NAME, name, strlen(name)), 0);
	if (live >= 0)
		assert_int_equal(change_put_number(change, COLLECTION_LIVE, (uint64_t)live), 0);
	assert_int_equal(CALL(l, do_apply, .set = &set, .stamp = stamp), 0);
}

static void remote_pair(struct library *l, const char *tag, struct uuid entry, const char *name, int live, struct stamp stamp)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	struct uuid uuid = naming_collection(MODEL_TAG, tag, strlen(tag));
	struct change *change = NULL;

	assert_int_equal(change_set_add(&set, MODEL_TAGGING, &uuid, &entry, &change), 0);
	if (name != NULL)
		assert_int_equal(change_put_bytes(&set, change, PAIR_NAME, name, strlen(name)), 0);
	assert_int_equal(change_put_number(change, PAIR_LIVE, (uint64_t)live), 0);
	assert_int_equal(CALL(l, do_apply, .set = &set, .stamp = stamp), 0);
}

static void test_registers_are_independent_and_order_free(void **state)
{
	struct library *l = *state;
	uint64_t now = UINT64_C(1) << 40;

	/* A rename arrives before the tag itself, and the older name after it. */
	remote_tag(l, "t", "renamed", -1, stamp_of(l, now + 5, 7));
	assert_string_equal(tags(l), "");
	remote_tag(l, "t", "t", 1, stamp_of(l, now, 7));
	assert_string_equal(tags(l), "renamed");
	/* The same stamp again: the greater value; and one that is equal but for the device. */
	remote_tag(l, "t", "again", 1, stamp_of(l, now + 5, 7));
	assert_string_equal(tags(l), "renamed");
	remote_tag(l, "t", "twice", 1, stamp_of(l, now + 5, 7));
	assert_string_equal(tags(l), "twice");
	remote_tag(l, "t", "by eight", 1, stamp_of(l, now + 5, 8));
	assert_string_equal(tags(l), "by eight");
	remote_tag(l, "t", "by six", 1, stamp_of(l, now + 5, 6));
	assert_string_equal(tags(l), "by eight");
}

static void test_delete_against_add(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), file = library_file(l, loc, library_root(l, loc), "x", 3);
	struct uuid entry = library_uuid(l, file);
	uint64_t now = UINT64_C(1) << 40;

	remote_tag(l, "t", "t", 1, stamp_of(l, now, 7));
	remote_pair(l, "t", entry, "x", 1, stamp_of(l, now + 2, 8));
	/* `rm -r` elsewhere did not know of the pair: the tag is shown while it holds it. */
	remote_tag(l, "t", NULL, 0, stamp_of(l, now + 9, 7));
	assert_string_equal(tags(l), "t");
	/* An untag older than the tagging comes late: nothing happens; a newer one ends the tag too. */
	remote_pair(l, "t", entry, NULL, 0, stamp_of(l, now + 1, 7));
	assert_string_equal(tags(l), "t");
	remote_pair(l, "t", entry, NULL, 0, stamp_of(l, now + 10, 7));
	assert_string_equal(tags(l), "");
	/* And nothing old brings it back. */
	remote_pair(l, "t", entry, "x", 1, stamp_of(l, now + 2, 8));
	remote_tag(l, "t", "t", 1, stamp_of(l, now, 7));
	assert_string_equal(tags(l), "");
}

static void test_pair_before_its_tag_and_entry(void **state)
{
	struct library *l = *state;
	struct uuid entry = uuid_entry(uuid_entry_prefix(), 5);
	uint64_t now = UINT64_C(1) << 40;

	remote_pair(l, "later", entry, "x", 1, stamp_of(l, now, 7));
	assert_string_equal(tags(l), "");
	remote_tag(l, "later", "later", 1, stamp_of(l, now, 7));
	assert_string_equal(tags(l), "later");
	library_assert_clean(l);
}

/* Any order of the same changes ends in the same rows. */
static void test_permutations_converge(void **state)
{
	struct library *l = *state;
	struct uuid entry = uuid_entry(uuid_entry_prefix(), 9);
	uint64_t now = UINT64_C(1) << 40;
	static const int orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 3, 0, 2 }, { 2, 0, 3, 1 } };
	char name[8];

	for (size_t i = 0; i < 4; i++) {
		_cleanup_(rows_release) struct rows rows = ROWS_INIT;
		struct uuid uuid;
		struct pair pair;

		snprintf(name, sizeof(name), "p%zu", i);
		for (int k = 0; k < 4; k++) {
			switch (orders[i][k]) {
			case 0: remote_pair(l, name, entry, "first", 1, stamp_of(l, now, 7)); break;
			case 1: remote_pair(l, name, entry, NULL, 0, stamp_of(l, now + 1, 8)); break;
			case 2: remote_pair(l, name, entry, "second", 1, stamp_of(l, now + 2, 7)); break;
			case 3: remote_tag(l, name, name, 1, stamp_of(l, now, 9)); break;
			}
		}
		uuid = naming_collection(MODEL_TAG, name, 2);
		assert_int_equal(collection_named(library_db(l), COLLECTION_TAG, name, 2, &rows), 0);
		struct collection c;
		assert_int_equal(collection_next(&rows, &c), 0);
		assert_memory_equal(&c.uuid, &uuid, UUID_LEN);
		int64_t id = c.id;
		rows_release(&rows);
		assert_int_equal(pair_find(library_db(l), id, &entry, &pair, &rows), 0);
		assert_true(pair.live);
		assert_int_equal(pair.name_len, 6);
		assert_memory_equal(pair.name, "second", 6);
	}
}

/* --- log --- */

static void print_line(void *arg, const char *line)
{
	print_message("%s\n", line);
}

static void test_log_has_every_change_and_verifies(void **state)
{
	struct library *l = *state;
	struct store_stats stats;
	int64_t before;

	before = log_position(l);
	library_tag(l, "a");
	library_tag(l, "b");
	assert_int_equal(log_position(l), before + 2);
	assert_int_equal(oplog_verify(library_db(l), print_line, NULL), 0);
	library_reopen(l);
	assert_int_equal(oplog_verify(library_db(l), print_line, NULL), 0);
	/* Alone, this device has acknowledged everything: the log can be cut, and still verifies. */
	assert_int_equal(CALL(l, do_cut, .id = 0), 0);
	assert_int_equal(store_stats(l->store, &stats), 0);
	assert_int_equal(stats.log_records, 0);
	library_tag(l, "c");
	assert_int_equal(oplog_verify(library_db(l), print_line, NULL), 0);
	library_assert_clean(l);
}

/* Locations and entries are the device's own: they travel as state, by version. */
static void test_rows_of_the_device_leave_the_log_alone(void **state)
{
	struct library *l = *state;
	int64_t before = log_position(l), loc, file;
	struct store_stats stats;
	uint64_t records;

	assert_int_equal(store_stats(l->store, &stats), 0);
	records = stats.log_records;
	loc = library_location(l, "pics");
	assert_int_equal(log_position(l), before);
	file = library_file(l, loc, library_root(l, loc), "x", 3);
	assert_int_equal(log_position(l), before);
	library_delete(l, file);
	assert_int_equal(log_position(l), before);
	assert_int_equal(store_stats(l->store, &stats), 0);
	assert_int_equal(stats.log_records, records);
}

static int failing(struct txn *txn, struct call *c)
{
	int r = collection_create(txn, COLLECTION_TAG, "gone", 4, &c->ret);

	return r < 0 ? r : -ECANCELED;
}

static void test_rollback_takes_the_record_too(void **state)
{
	struct library *l = *state;
	int64_t before;

	before = log_position(l);
	assert_int_equal(CALL(l, failing, .id = 0), -ECANCELED);
	assert_int_equal(log_position(l), before);
	assert_string_equal(tags(l), "");
	library_tag(l, "next");
	assert_int_equal(oplog_verify(library_db(l), print_line, NULL), 0);
}

/* --- notices --- */

static char noticed[8192];

static void note(void *arg, const struct notice *notices, size_t count, bool bulk)
{
	static const char *const names[] = { "listing", "name", "attr", "links", "below" };

	for (size_t i = 0; i < count; i++)
		snprintf(noticed + strlen(noticed), sizeof(noticed) - strlen(noticed), "%s %llx %.*s;", names[notices[i].change],
			 (unsigned long long)notices[i].parent, (int)notices[i].name_len,
			 notices[i].name != NULL ? notices[i].name : "");
}

static void expect_notice(uint64_t parent, const char *change, const char *name)
{
	char line[400];

	snprintf(line, sizeof(line), "%s %llx %s;", change, (unsigned long long)parent, name);
	if (strstr(noticed, line) == NULL)
		fail_msg("no notice \"%s\" in \"%s\"", line, noticed);
}

static void test_notices(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), root = library_root(l, loc);
	int64_t x = library_file(l, loc, root, "x", 3), y = library_file(l, loc, root, "y", 3);
	int64_t a, px = 0, py = 0;
	uint64_t place;

	store_subscribe(l->store, note, NULL);
	noticed[0] = '\0';
	a = library_tag(l, "a");
	expect_notice(OBJECT_TAGS, "listing", "");
	place = object(OBJECT_COLLECTION, a);
	noticed[0] = '\0';
	assert_int_equal(library_pair(l, a, x, "n", &px), 0);
	expect_notice(place, "listing", "");
	assert_null(strstr(noticed, "name 4"));
	/* A second link of that name: both have to be announced, the first may get the suffix. */
	noticed[0] = '\0';
	assert_int_equal(library_pair(l, a, y, "n", &py), 0);
	expect_notice(place, "name", "n");
	noticed[0] = '\0';
	assert_int_equal(CALL(l, do_rename, .id = a, .name = "b"), 0);
	expect_notice(OBJECT_TAGS, "name", "a");
	expect_notice(OBJECT_TAGS, "listing", "");
	noticed[0] = '\0';
	assert_int_equal(CALL(l, do_pair_remove, .id = px), 0);
	expect_notice(place, "name", "n");
	store_subscribe(l->store, NULL, NULL);
	noticed[0] = '\0';
	library_tag(l, "quiet");
	assert_string_equal(noticed, "");
}

/* A tag that comes back is another directory, be it made again or brought back by a link from elsewhere. */
static void test_notices_of_each_life(void **state)
{
	struct library *l = *state;
	int64_t loc = library_location(l, "pics"), x = library_file(l, loc, library_root(l, loc), "x", 3);
	int64_t t = library_tag(l, "t"), other = library_tag(l, "other"), pair = 0, moved = 0;

	store_subscribe(l->store, note, NULL);
	for (uint32_t life = 0; life < 3; life++) {
		uint64_t place = object_of_collection(t, life);

		noticed[0] = '\0';
		if (life == 2)
			remote_pair(l, "t", library_uuid(l, x), "n", 1, stamp_of(l, UINT64_C(1) << 62, 7));
		else
			assert_int_equal(library_pair(l, t, x, "n", &pair), 0);
		expect_notice(place, "listing", "");
		if (life == 2)
			break;
		noticed[0] = '\0';
		assert_int_equal(CALL(l, do_pair_remove, .id = pair), 0);
		expect_notice(place, "name", "n");
		/* The link that it merges with has another name, of which the kernel cannot know. */
		assert_int_equal(library_pair(l, t, x, "n", &pair), 0);
		assert_int_equal(library_pair(l, other, x, "m", &moved), 0);
		noticed[0] = '\0';
		assert_int_equal(CALL(l, do_pair_move, .id = moved, .other = t, .name = "k"), 0);
		expect_notice(place, "name", "n");
		assert_int_equal(CALL(l, do_pair_remove, .id = moved), 0);
		assert_int_equal(CALL(l, do_remove, .id = t), 0);
		if (life == 0)
			assert_int_equal(library_tag(l, "t"), t);
	}
	store_subscribe(l->store, NULL, NULL);
	assert_string_equal(links(l, t), "n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_create_is_deterministic),
		TEST(test_names_compare_in_nfc),
		TEST(test_rename_keeps_uuid_and_frees_the_name),
		TEST(test_remove_and_make_again_is_the_same_row),
		TEST(test_remove_needs_no_listed_link),
		TEST(test_remove_takes_thousands_of_dead_pairs),
		TEST(test_pair_once_per_entry),
		TEST(test_pair_rename_and_replace),
		TEST(test_pair_move_is_one_record),
		TEST(test_adopt),
		TEST(test_adopt_of_a_deleted_entry_and_many),
		TEST(test_many),
		TEST(test_content_is_shared_knowledge),
		TEST(test_registers_are_independent_and_order_free),
		TEST(test_delete_against_add),
		TEST(test_pair_before_its_tag_and_entry),
		TEST(test_permutations_converge),
		TEST(test_log_has_every_change_and_verifies),
		TEST(test_rows_of_the_device_leave_the_log_alone),
		TEST(test_rollback_takes_the_record_too),
		TEST(test_notices),
		TEST(test_notices_of_each_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
