/* The whole of the notifier against a model of what a kernel remembers: random changes from all sides, while a reader
 * fills the caches; whatever is still remembered at the end of each round must be so. A seed that failed is run first. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/collection.h"
#include "store/device.h"
#include "store/location.h"
#include "store/object.h"
#include "store/oplog.h"
#include "store/pair.h"
#include "sync/change.h"
#include "tests/fs/kernel.h"
#include "tests/fs/told.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

enum { ROUNDS = 60, STEPS = 25, ENTRIES_MAX = 60 };

struct stage {
	struct world w;
	struct told t;
	struct kernel k;
	unsigned seed;
	int64_t entries[ENTRIES_MAX]; /* files and directories below "photos" that were made here; some are gone */
	size_t entry_count;
	atomic_bool stop; /* the reader */
};

static unsigned any(struct stage *s, unsigned below)
{
	return (unsigned)rand_r(&s->seed) % below;
}

static const char *any_of(struct stage *s, const char *const *list, unsigned count)
{
	return list[any(s, count)];
}

#define ANY(s, ...) any_of((s), (const char *const[]){ __VA_ARGS__ }, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

/* --- changes to rows; most may fail, as what they want may be gone --- */

struct deed {
	struct stage *s;
	int64_t id, other;
	const char *name, *new_name;
	unsigned number;
	int (*make)(struct txn *txn, struct deed *c);
};

static int make(struct txn *txn, void *arg)
{
	struct deed *c = arg;

	return c->make(txn, c);
}

static void do_deed(struct stage *s, struct deed c, int (*fn)(struct txn *txn, struct deed *c))
{
	c.s = s;
	c.make = fn;
	int r = library_write(&s->w.library, make, &c);
	assert_true(r == 0 || r == -ENOENT || r == -EEXIST || r == -ELOOP || r == -ENOTEMPTY || r == -10000);
}

static int64_t any_entry(struct stage *s)
{
	return s->entry_count > 0 ? s->entries[any(s, (unsigned)s->entry_count)] : 0;
}

/* A live directory of the location. */
static int64_t any_dir(struct stage *s, struct txn *txn)
{
	for (unsigned tries = 0; tries < 4; tries++) {
		_cleanup_(rows_release) struct rows rows = ROWS_INIT;
		int64_t id = any_entry(s);
		struct entry entry;
		if (id != 0 && entry_get(txn_db(txn), id, &entry, &rows) == 0 && !entry.deleted && S_ISDIR(entry.mode))
			return id;
	}
	return s->w.root;
}

static bool is_free(struct txn *txn, int64_t parent, const char *name)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;

	return entry_child(txn_db(txn), parent, name, strlen(name), &entry, &rows) == -ENOENT;
}

static int insert(struct txn *txn, struct deed *c)
{
	struct entry_place place = {
		.location = c->s->w.location, .parent = any_dir(c->s, txn), .name = c->name, .name_len = strlen(c->name),
	};
	struct entry_attr attr = {
		.mode = c->number % 3 == 0 ? S_IFDIR | 0755 : S_IFREG | 0644, .size = 10, .mtime_ns = c->number, .ino = c->number + 1,
	};

	if (c->s->entry_count == ENTRIES_MAX || !is_free(txn, place.parent, c->name))
		return -EEXIST;
	int r = entry_insert(txn, &place, &attr, &c->id);
	if (r == 0)
		c->s->entries[c->s->entry_count++] = c->id;
	return r;
}

static int delete(struct txn *txn, struct deed *c)
{
	return entry_delete(txn, c->id);
}

static int move(struct txn *txn, struct deed *c)
{
	int64_t parent = any_dir(c->s, txn);

	return is_free(txn, parent, c->name) ? entry_move(txn, c->id, parent, c->name, strlen(c->name)) : -EEXIST;
}

static int edit(struct txn *txn, struct deed *c)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(txn_db(txn), c->id, &entry, &rows);

	if (r < 0)
		return r;
	struct entry_attr attr = { .mode = entry.mode ^ (c->number % 8), .size = c->number % 20, .mtime_ns = c->number, .ino = entry.ino };
	rows_release(&rows);
	rows = ROWS_INIT;
	return entry_update(txn, c->id, &attr);
}

static int set_content(struct txn *txn, struct deed *c)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	uint8_t content[HASH128_LEN];
	struct entry entry;
	int r = entry_get(txn_db(txn), c->id, &entry, &rows);

	if (r < 0)
		return r;
	uint64_t size = entry.size;
	int64_t mtime_ns = entry.mtime_ns;
	rows_release(&rows);
	rows = ROWS_INIT;
	memset(content, (int)(c->number % 3), sizeof(content)); /* few contents: many copies */
	return entry_set_content(txn, c->id, size, mtime_ns, content);
}

static int rename_device(struct txn *txn, struct deed *c)
{
	return device_rename(txn, txn_info(txn)->device_row, c->name, strlen(c->name));
}

/* Another device joins, leaves or is renamed; it may have our name and the lower id. */
static int put_device(struct txn *txn, struct deed *c)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	const struct uuid uuid = { .bytes = { c->number % 2 ? 0x00 : 0xff, (uint8_t)(c->number % 3) } };
	struct change *made = NULL;
	int r = change_set_add(&set, MODEL_DEVICE, &uuid, NULL, &made);

	if (r == 0)
		r = change_put_bytes(&set, made, DEVICE_NAME, c->name, strlen(c->name));
	if (r == 0)
		r = change_put_number(made, DEVICE_MEMBER, any(c->s, 2));
	return r < 0 ? r : oplog_commit(txn, &set);
}

static int add_location(struct txn *txn, struct deed *c)
{
	struct location_new new = { .name = c->name, .path = "/nowhere", .mode = 0755, .mtime_ns = 1 };

	return location_add(txn, &new, &c->id);
}

static int remove_location(struct txn *txn, struct deed *c)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int64_t last = 0;
	int r = location_list(txn_db(txn), txn_info(txn)->device_row, 0, &rows);

	while (r == 0 && (r = location_next(&rows, &location)) == 0)
		last = location.id;
	rows_release(&rows);
	rows = ROWS_INIT;
	return r < 0 || last == c->s->w.location ? -ENOENT : location_remove(txn, last);
}

/* --- shared records, as the commands change them --- */

static int any_collection(struct txn *txn, struct deed *c)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	enum collection_kind kind = any(c->s, 2) ? COLLECTION_TAG : COLLECTION_ALBUM;
	int r = collection_list(txn_db(txn), kind, 0, &rows);

	c->id = COLLECTION_FAVORITES_ID;
	for (unsigned skip = any(c->s, 4); r == 0 && (r = collection_next(&rows, &collection)) == 0 && skip > 0; skip--)
		c->id = collection.id;
	return r < 0 ? r : 0;
}

static int add_collection(struct txn *txn, struct deed *c)
{
	return collection_create(txn, any(c->s, 2) ? COLLECTION_TAG : COLLECTION_ALBUM, c->name, strlen(c->name), &c->id);
}

static int rename_collection(struct txn *txn, struct deed *c)
{
	int r = any_collection(txn, c);

	return r < 0 || c->id == COLLECTION_FAVORITES_ID ? -ENOENT : collection_rename(txn, c->id, c->name, strlen(c->name));
}

static int remove_collection(struct txn *txn, struct deed *c)
{
	int r = any_collection(txn, c);

	return r < 0 || c->id == COLLECTION_FAVORITES_ID ? -ENOENT : collection_remove(txn, c->id);
}

static int add_pair(struct txn *txn, struct deed *c)
{
	int64_t entry = any(c->s, 8) == 0 ? 500002 : any_entry(c->s), id;
	int r = any_collection(txn, c);

	return r < 0 ? r : pair_add(txn, c->id, entry, c->name, strlen(c->name), &id);
}

static int any_pair(struct txn *txn, struct deed *c)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = any_collection(txn, c);

	c->other = 0;
	if (r == 0)
		r = pair_list(txn_db(txn), c->id, 0, &rows);
	for (unsigned skip = any(c->s, 5) + 1; r == 0 && skip > 0 && (r = pair_next(&rows, &pair)) == 0; skip--)
		c->other = pair.id;
	return r < 0 ? r : c->other != 0 ? 0 : -ENOENT;
}

static int remove_pair(struct txn *txn, struct deed *c)
{
	int r = any_pair(txn, c);

	return r < 0 ? r : pair_remove(txn, c->other);
}

static int rename_pair(struct txn *txn, struct deed *c)
{
	int r = any_pair(txn, c);

	return r < 0 ? r : pair_rename(txn, c->other, c->name, strlen(c->name), 0);
}

static int move_pair(struct txn *txn, struct deed *c)
{
	int r = any_pair(txn, c);
	int64_t pair = c->other;

	if (r == 0)
		r = any_collection(txn, c);
	return r < 0 ? r : pair_move(txn, pair, c->id, c->name, strlen(c->name), 0);
}

/* --- through the mount --- */

static const char *any_tag(struct stage *s)
{
	return ANY(s, "tags/a", "tags/b", "tags/c", "albums/a", "albums/b", "favorites");
}

static const char *any_link(struct stage *s)
{
	return ANY(s, "x", "x.jpg", "y", "z");
}

static void link_through_mount(struct stage *s)
{
	struct buf path = BUF_INIT;

	/* By the real path, as `ln -s` of an original does. */
	if (fs_real_path(s->w.fs, any_entry(s), &path) == 0) {
		_cleanup_(free_ptr) char *target = buf_take_str(&path);
		kernel_symlink(&s->k, any_tag(s), any_link(s), target);
	}
	buf_release(&path);
}

static void through_mount(struct stage *s)
{
	switch (any(s, 6)) {
	case 0:
		kernel_mkdir(&s->k, ANY(s, "tags", "albums"), ANY(s, "a", "b", "c"));
		break;
	case 1:
		kernel_rmdir(&s->k, ANY(s, "tags", "albums"), ANY(s, "a", "b", "c"));
		break;
	case 2:
		kernel_rename(&s->k, "tags", ANY(s, "a", "b", "c"), "tags", ANY(s, "a", "b", "c"));
		break;
	case 3:
		kernel_unlink(&s->k, any_tag(s), any_link(s));
		break;
	case 4:
		kernel_rename(&s->k, any_tag(s), any_link(s), any_tag(s), any_link(s));
		break;
	default:
		link_through_mount(s);
		break;
	}
}

static void step(struct stage *s)
{
	struct deed c = { .id = any_entry(s), .number = any(s, 1000) };

	switch (any(s, 25)) {
	case 0:
	case 1:
	case 2:
		c.name = ANY(s, "one", "two", "three.jpg", "four");
		do_deed(s, c, insert);
		break;
	case 3:
		do_deed(s, c, delete);
		break;
	case 4:
	case 5:
		c.name = ANY(s, "one", "two", "three.jpg", "four");
		do_deed(s, c, move);
		break;
	case 6:
		do_deed(s, c, edit);
		break;
	case 7:
	case 8:
		do_deed(s, c, set_content);
		break;
	case 9:
		c.name = ANY(s, "laptop", "phone", "desktop");
		do_deed(s, c, rename_device);
		break;
	case 10:
		c.name = ANY(s, "music", "films");
		do_deed(s, c, any(s, 2) ? add_location : remove_location);
		break;
	case 11:
		c.name = ANY(s, "a", "b", "c");
		do_deed(s, c, add_collection);
		break;
	case 12:
		c.name = ANY(s, "a", "b", "c");
		do_deed(s, c, any(s, 2) ? rename_collection : remove_collection);
		break;
	case 13:
	case 14:
	case 15:
		c.name = any_link(s);
		do_deed(s, c, add_pair);
		break;
	case 16:
		do_deed(s, c, remove_pair);
		break;
	case 17:
		c.name = any_link(s);
		do_deed(s, c, any(s, 2) ? rename_pair : move_pair);
		break;
	case 18:
		c.name = ANY(s, "laptop", "phone", "desktop");
		do_deed(s, c, put_device);
		break;
	case 19:
		do_deed(s, c, delete);
		break;
	default:
		through_mount(s);
		break;
	}
}

/* --- the test --- */

static void *read_on(void *arg)
{
	struct stage *s = arg;
	unsigned seed = s->seed;

	while (!atomic_load(&s->stop))
		kernel_walk(&s->k, 70, &seed);
	return NULL;
}

static void run_seed(unsigned seed, bool with_reader)
{
	struct stage s = { .seed = seed };
	pthread_t reader;

	world_init(&s.w);
	world_peers(&s.w);
	told_init(&s.t, &s.w);
	kernel_init(&s.k, s.w.fs, s.t.grace);
	s.t.model = &kernel_calls;
	s.t.arg = &s.k;
	told_start(&s.t);
	for (int round = 0; round < ROUNDS; round++) {
		kernel_walk(&s.k, 90, &s.seed);
		atomic_store(&s.stop, false);
		if (with_reader)
			assert_int_equal(pthread_create(&reader, NULL, read_on, &s), 0);
		for (unsigned i = any(&s, STEPS); i > 0; i--)
			step(&s);
		atomic_store(&s.stop, true);
		if (with_reader)
			pthread_join(reader, NULL);
		told_settle(&s.t);
		buf_clear(&s.t.text);
		kernel_assert_right(&s.k);
	}
	world_assert_sound(&s.w);
	told_release(&s.t);
	kernel_release(&s.k);
	world_release(&s.w);
}

/* Seed 631 of an earlier day: a link is moved to another collection and renamed there before the notifier comes. The kernel
 * carries the inode along, so what it is told of the name in between helps no more. */
static void test_two_renames_before_the_notifier(void **state)
{
	struct stage s = { .seed = 1 };

	world_init(&s.w);
	told_init(&s.t, &s.w);
	kernel_init(&s.k, s.w.fs, s.t.grace);
	s.t.model = &kernel_calls;
	s.t.arg = &s.k;
	library_pair(&s.w.library, library_tag(&s.w.library, "a"), world_file(&s.w, "f", "x"), "x", NULL);
	kernel_walk(&s.k, 100, &s.seed);
	assert_int_equal(kernel_rename(&s.k, "tags/a", "x", "favorites", "z"), 0);
	assert_int_equal(kernel_rename(&s.k, "favorites", "z", "favorites", "y"), 0);
	told_start(&s.t);
	told_settle(&s.t);
	kernel_assert_right(&s.k);
	told_release(&s.t);
	kernel_release(&s.k);
	world_release(&s.w);
}

/* Seed 7 of an earlier day: three links of one name; the file of the plain one goes, so the second becomes plain, and is
 * unlinked or renamed by that name before the notifier comes. The kernel still knows it by its name with a suffix. */
static void change_a_namesake(bool by_rename)
{
	struct stage s = { .seed = 1 };
	int64_t files[3], t;
	unsigned slot;

	world_init(&s.w);
	told_init(&s.t, &s.w);
	kernel_init(&s.k, s.w.fs, s.t.grace);
	s.t.model = &kernel_calls;
	s.t.arg = &s.k;
	t = library_tag(&s.w.library, "t");
	for (int i = 0; i < 3; i++) {
		files[i] = world_file(&s.w, (const char *[]){ "a/x.jpg", "b/x.jpg", "c/x.jpg" }[i], "x");
		assert_int_equal(library_pair(&s.w.library, t, files[i], "x.jpg", NULL), 0);
	}
	told_start(&s.t);
	told_settle(&s.t);
	kernel_walk(&s.k, 100, &s.seed);
	slot = grace_enter(s.t.grace); /* holds the notifier back */
	library_delete(&s.w.library, files[0]);
	if (by_rename)
		assert_int_equal(kernel_rename(&s.k, "tags/t", "x.jpg", "tags/t", "y.jpg"), 0);
	else
		assert_int_equal(kernel_unlink(&s.k, "tags/t", "x.jpg"), 0);
	grace_leave(s.t.grace, slot);
	told_settle(&s.t);
	kernel_assert_right(&s.k);
	told_release(&s.t);
	kernel_release(&s.k);
	world_release(&s.w);
}

static void test_a_namesake_is_unlinked_before_the_notifier(void **state)
{
	change_a_namesake(false);
}

static void test_a_namesake_is_renamed_before_the_notifier(void **state)
{
	change_a_namesake(true);
}

/* SHELF_TEST_SEEDS: how many to run. */
static unsigned seeds(unsigned normal)
{
	const char *more = getenv("SHELF_TEST_SEEDS");

	return more ? (unsigned)atoi(more) : normal;
}

static void test_alone(void **state)
{
	for (unsigned seed = 1; seed <= seeds(6); seed++) {
		print_message("seed %u\n", seed);
		run_seed(seed, false);
	}
}

static void test_with_a_reader(void **state)
{
	for (unsigned seed = 1; seed <= seeds(4); seed++) {
		print_message("seed %u with a reader\n", seed);
		run_seed(seed, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_renames_before_the_notifier),
		cmocka_unit_test(test_a_namesake_is_unlinked_before_the_notifier),
		cmocka_unit_test(test_a_namesake_is_renamed_before_the_notifier),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_with_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
