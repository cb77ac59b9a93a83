#include <errno.h>
#include <pthread.h>
#include <sched.h>
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
#include "store/pair.h"
#include "tests/fs/told.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

#define PHOTOS "devices/laptop/photos"

struct stage {
	struct world w;
	struct told t;
};

static int setup(void **state)
{
	static struct stage s;

	world_init(&s.w);
	told_init(&s.t, &s.w);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	told_release(&s->t);
	world_release(&s->w);
	return 0;
}

/* Starts the notifier and forgets what it says of the setting. */
static struct stage *start(void **state)
{
	struct stage *s = *state;

	told_start(&s->t);
	told_settle(&s->t);
	buf_clear(&s->t.text);
	return s;
}

static long long at(struct world *w, const char *path)
{
	return object_id(world_at(w, path));
}

/* --- entries --- */

static void test_entries(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	long long root = w->root, a, dir, below;

	dir = world_dir(w, "dir");
	below = world_file(w, "dir/below", "x");
	start(state);
	a = world_file(w, "a", "x");
	told_exactly(&s->t, "content e%lld\n", root);
	world_attr(w, a, S_IFREG | 0600, 1, 1);
	told_exactly(&s->t, "expire e%lld/a\ncontent e%lld\n", root, a);
	world_attr(w, dir, S_IFDIR | 0700, 1, 1);
	told_exactly(&s->t, "expire e%lld/dir\nattr e%lld\n", root, dir);
	world_attr(w, w->root, S_IFDIR | 0700, 1, 1);
	told_exactly(&s->t, "expire d1/photos\nexpire d1/photos$\nattr e%lld\n", root);
	world_move(w, a, dir, "b");
	told_exactly(&s->t, "expire e%lld/a\nexpire e%lld/b\ncontent e%lld\ncontent e%lld\n", root, dir, root, dir);
	world_move(w, dir, w->root, "renamed"); /* it may be somebody's working directory: never dropped */
	told_exactly(&s->t, "expire e%lld/dir\nexpire e%lld/renamed\ncontent e%lld\n", root, root, root);
	library_delete(&w->library, dir);
	told_exactly(&s->t, "drop e%lld/renamed\ndrop e%lld/below\ndrop e%lld/b\ncontent e%lld\ncontent e%lld\n", root, dir, dir, root,
		     dir);
	(void)below;
}

static int remove_location(struct txn *txn, void *arg)
{
	return location_remove(txn, *(int64_t *)arg);
}

static void test_locations(void **state)
{
	struct stage *s = start(state);
	struct world *w = &s->w;

	library_location(&w->library, "music");
	told_exactly(&s->t, "content d1\n");
	assert_int_equal(library_write(&w->library, remove_location, &w->location), 0);
	told_exactly(&s->t, "drop d1/photos\ndrop d1/photos$\ncontent d1\n");
}

/* --- collections --- */

static int remove_tag(struct txn *txn, void *arg)
{
	return collection_remove(txn, *(int64_t *)arg);
}

static void test_tags(void **state)
{
	struct stage *s = start(state);
	struct world *w = &s->w;
	int64_t t = library_tag(&w->library, "t");

	told_exactly(&s->t, "expire f3/t\nexpire f3/t$\ncontent f3\n");
	assert_int_equal(world_mkdir(w, "albums/al"), 0); /* the kernel made it */
	assert_int_equal(world_mv(w, "albums/al", "albums/other", 0), 0);
	assert_int_equal(world_rmdir(w, "albums/other"), 0);
	assert_int_equal(world_mkdir(w, "albums/again"), 0);
	assert_int_equal(world_rmdir(w, "albums/again"), 0);
	assert_int_equal(world_mkdir(w, "albums/again"), 0); /* has another inode than before */
	told_exactly(&s->t, "%s", "");
	/* Told of from elsewhere. */
	assert_int_equal(library_write(&w->library, remove_tag, &t), 0);
	told_exactly(&s->t, "drop f3/t\ndrop f3/t$\ncontent f3\n");
	library_tag(&w->library, "t");
	told_exactly(&s->t, "expire f3/t\nexpire f3/t$\ncontent f3\n");
}

static void test_a_name_that_is_taken_again_is_not_dropped(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t old = world_dir(w, "old");
	long long new;
	const struct notice n = {
		.change = NOTICE_NAME, .parent = object(OBJECT_ENTRY, w->root), .object = object(OBJECT_ENTRY, old), .name = "old", .name_len = 3,
	};

	library_delete(&w->library, old);
	new = library_dir(&w->library, w->location, w->root, "old");
	start(state);
	announce_put(s->t.announce, &n, 1, false);
	told_exactly(&s->t, "expire e%lld/old\ncontent e%lld\n", (long long)w->root, (long long)w->root);
	assert_int_equal(at(w, PHOTOS "/old"), new);
}

/* --- links --- */

static void test_links(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t a = world_file(w, "a.jpg", "aa"), b = world_file(w, "b.jpg", "bb");
	int64_t pair = 0, other = 0;
	long long t = library_tag(&w->library, "t");

	start(state);
	assert_int_equal(library_pair(&w->library, t, a, "x.jpg", &pair), 0);
	told_exactly(&s->t, "expire c%lld/x.jpg\nexpire c%lld/x.jpg$\nexpire c%lld/x$.jpg\ncontent p%lld\ncontent c%lld\n", t, t, t,
		     (long long)pair, t);
	/* Another of that name: the first may have a suffix now. */
	assert_int_equal(library_pair(&w->library, t, b, "x.jpg", &other), 0);
	told_settle(&s->t);
	_cleanup_(free_ptr) char *text = buf_take_str(&s->t.text);
	assert_non_null(strstr(text, "content p"));
	size_t suffixed = 0;
	for (const char *p = text; (p = strstr(p, "x$.jpg\n")) != NULL; p++)
		suffixed++;
	assert_int_equal(suffixed, 2);

	/* The kernel removes the one by its plain name. It may know it by another, too; that and the other's suffix are told. */
	assert_int_equal(world_unlink(w, "tags/t/x.jpg"), 0);
	told_exactly(&s->t,
		     "expire c%lld/x.jpg\nexpire c%lld/x.jpg$\nexpire c%lld/x$.jpg\nexpire c%lld/x.jpg$\nexpire c%lld/x$.jpg\n"
		     "content p%lld\ncontent c%lld\ncontent p%lld\n",
		     t, t, t, t, t, (long long)pair, t, (long long)other);
	world_assert_ls(w, "tags/t", "x.jpg");

	/* A link shows the time of its file, and is gone with it. */
	world_attr(w, b, S_IFREG | 0600, 2, 77);
	told_exactly(&s->t, "expire e%lld/b.jpg\nexpire c%lld/x.jpg\ncontent e%lld\ncontent p%lld\ncontent c%lld\n",
		     (long long)w->root, t, (long long)b, (long long)other, t);
	library_delete(&w->library, b);
	told_exactly(&s->t, "drop e%lld/b.jpg\nexpire c%lld/x.jpg\ncontent e%lld\ncontent p%lld\ncontent c%lld\n",
		     (long long)w->root, t, (long long)w->root, (long long)other, t);
}

/* Once every device knows of a deletion the row is purged, and that may be sooner than its notice is handled. */
static void test_links_to_what_was_purged(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	struct notice n = { .change = NOTICE_LINKS, .object = object(OBJECT_ENTRY, 999999) };
	int64_t a = world_file(w, "a.jpg", "aa"), pair = 0;
	long long t = library_tag(&w->library, "t");

	assert_int_equal(library_pair(&w->library, t, a, "x.jpg", &pair), 0);
	start(state);
	announce_put(s->t.announce, &n, 1, false);
	told_settle(&s->t);
	_cleanup_(free_ptr) char *text = buf_take_str(&s->t.text), *expected = NULL;
	assert_true(asprintf(&expected, "expire c%lld/x.jpg\n", t) > 0);
	assert_non_null(strstr(text, expected));
	free(expected);
	assert_true(asprintf(&expected, "content c%lld\n", t) > 0);
	assert_non_null(strstr(text, expected));
}

static void test_links_by_content(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t a = world_file(w, "a.jpg", "aa"), b = world_file(w, "b.jpg", "aa");
	int64_t pair = 0;
	long long t = library_tag(&w->library, "t");

	world_content(w, a, 9);
	world_content(w, b, 9);
	assert_int_equal(library_pair(&w->library, t, a, "x", &pair), 0);
	library_delete(&w->library, a); /* b stands in */
	start(state);
	world_assert_target(w, "tags/t/x", "../../" PHOTOS "/b.jpg");
	world_move(w, b, w->root, "c.jpg");
	told_exactly(&s->t,
		     "expire e%lld/b.jpg\nexpire e%lld/c.jpg\nexpire c%lld/x\ncontent e%lld\ncontent p%lld\ncontent c%lld\n",
		     (long long)w->root, (long long)w->root, t, (long long)w->root, (long long)pair, t);
	world_attr(w, b, S_IFREG | 0600, 2, 77); /* other content now */
	told_settle(&s->t);
	_cleanup_(free_ptr) char *text = buf_take_str(&s->t.text), *expected = NULL;
	assert_true(asprintf(&expected, "content p%lld\n", (long long)pair) > 0);
	assert_non_null(strstr(text, expected));
	world_assert_ls(w, "tags/t", "");
}

static void test_links_below_a_directory(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t in = world_file(w, "dir/sub/in.jpg", "x"), out = world_file(w, "out.jpg", "y");
	int64_t copy = world_file(w, "dir/copy.jpg", "z"), gone = world_file(w, "gone.jpg", "z");
	long long dir = world_entry(w, "dir"), t = library_tag(&w->library, "t"), root = w->root;
	int64_t pair_in = 0, pair_out = 0, pair_copy = 0, favorite = 0;

	world_content(w, copy, 5);
	world_content(w, gone, 5);
	assert_int_equal(library_pair(&w->library, t, in, "in", &pair_in), 0);
	assert_int_equal(library_pair(&w->library, t, out, "out", &pair_out), 0);
	assert_int_equal(library_pair(&w->library, t, gone, "copy", &pair_copy), 0);
	assert_int_equal(library_pair(&w->library, COLLECTION_FAVORITES_ID, in, "in", &favorite), 0);
	library_delete(&w->library, gone);
	start(state);
	world_move(w, dir, w->root, "moved");
	told_exactly(&s->t,
		     "expire e%lld/dir\nexpire e%lld/moved\ncontent e%lld\n"
		     "expire f5/in\nexpire c%lld/in\nexpire c%lld/copy\n"
		     "content p%lld\ncontent f5\ncontent p%lld\ncontent c%lld\ncontent p%lld\n",
		     root, root, root, t, t, (long long)favorite, (long long)pair_in, t, (long long)pair_copy);
	world_assert_target(w, "tags/t/copy", "../../" PHOTOS "/moved/copy.jpg");
	assert_int_equal(library_write(&w->library, remove_location, &w->location), 0);
	told_settle(&s->t);
	_cleanup_(free_ptr) char *text = buf_take_str(&s->t.text);
	const int64_t pairs[] = { pair_in, pair_out, pair_copy, favorite };
	for (size_t i = 0; i < 4; i++) {
		char line[40];
		snprintf(line, sizeof(line), "content p%lld\n", (long long)pairs[i]);
		assert_non_null(strstr(text, line));
	}
}

static int rename_device(struct txn *txn, void *arg)
{
	return device_rename(txn, txn_info(txn)->device_row, arg, strlen(arg));
}

static void test_devices(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t pair = 0;
	long long t = library_tag(&w->library, "t");

	world_peers(w);
	assert_int_equal(library_pair(&w->library, t, world_file(w, "a", "x"), "a", &pair), 0);
	start(state);
	assert_int_equal(library_write(&w->library, rename_device, "desktop"), 0);
	told_settle(&s->t);
	_cleanup_(free_ptr) char *text = buf_take_str(&s->t.text);
	char line[40];
	snprintf(line, sizeof(line), "content p%lld\n", (long long)pair);
	assert_non_null(strstr(text, line));
	assert_non_null(strstr(text, "expire f2/laptop\n"));
	assert_non_null(strstr(text, "expire f2/laptop$\n"));
	assert_non_null(strstr(text, "expire f2/desktop\n"));
	assert_non_null(strstr(text, "content f2\n"));
	world_assert_target(w, "tags/t/a", "../../devices/desktop/photos/a");
}

static void test_a_move_between_collections(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t pair = 0;
	long long t = library_tag(&w->library, "t");

	library_tag(&w->library, "u");
	assert_int_equal(library_pair(&w->library, t, world_file(w, "a", "x"), "a", &pair), 0);
	start(state);
	/* The kernel goes on with the inode of the old link, and so does the catalogue ... */
	assert_int_equal(world_mv(w, "tags/t/a", "tags/u/b", 0), 0);
	assert_int_equal(at(w, "tags/u/b"), pair);
	told_settle(&s->t);
	_cleanup_(free_ptr) char *text = buf_take_str(&s->t.text);
	assert_non_null(strstr(text, "/a$\n")); /* a name by which it may be known, too */
	/* ... but from favorites its target reads differently. */
	assert_int_equal(world_mv(w, "tags/u/b", "favorites/b", 0), 0);
	told_settle(&s->t);
	_cleanup_(free_ptr) char *more = buf_take_str(&s->t.text), *expected = NULL;
	assert_true(asprintf(&expected, "content p%lld\n", (long long)pair) > 0);
	assert_non_null(strstr(more, expected));
}

/* --- the queue --- */

static void put(struct stage *s, enum notice_change change, uint64_t parent, uint64_t object, const char *name, bool bulk)
{
	const struct notice n = { .change = change, .parent = parent, .object = object, .name = name, .name_len = name ? strlen(name) : 0 };

	announce_put(s->t.announce, &n, 1, bulk);
}

static void test_equal_calls_are_made_once(void **state)
{
	struct stage *s = start(state);
	struct notice many[1000];
	uint64_t root = object(OBJECT_ENTRY, s->w.root);

	for (size_t i = 0; i < 1000; i++)
		many[i] = (struct notice){ .change = NOTICE_LISTING, .parent = root };
	announce_put(s->t.announce, many, 1000, false);
	told_exactly(&s->t, "content e%lld\n", (long long)s->w.root);
}

static void test_names_go_before_inodes(void **state)
{
	struct stage *s = start(state);
	int64_t a = world_file(&s->w, "a", "x");
	uint64_t root = object(OBJECT_ENTRY, s->w.root);
	const struct notice two[] = {
		{ .change = NOTICE_ATTR, .parent = root, .object = object(OBJECT_ENTRY, a), .name = "a", .name_len = 1 },
		{ .change = NOTICE_NAME, .parent = root, .object = 0, .name = "b", .name_len = 1 },
	};

	told_settle(&s->t);
	buf_clear(&s->t.text);
	announce_put(s->t.announce, two, 2, false);
	told_exactly(&s->t, "expire e%lld/a\nexpire e%lld/b\ncontent e%lld\ncontent e%lld\n", (long long)s->w.root,
		     (long long)s->w.root, (long long)a, (long long)s->w.root);
}

static void fill_queue(struct stage *s)
{
	for (int i = 0; i < 65536; i++)
		put(s, NOTICE_LISTING, OBJECT_TAGS, 0, NULL, false);
}

static void test_a_full_queue_widens_to_directories(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t a = world_file(w, "dir/a", "x"), sub = world_dir(w, "dir/sub");
	long long dir = world_entry(w, "dir"), root = w->root;

	told_release(&s->t);
	told_init(&s->t, w); /* anew: the queue is empty, and nobody works it off yet */
	fill_queue(s);
	put(s, NOTICE_NAME, object(OBJECT_ENTRY, dir), 0, "gone", false);
	put(s, NOTICE_LISTING, object(OBJECT_ENTRY, dir), 0, NULL, false);
	put(s, NOTICE_NAME, object(OBJECT_DEVICE, 1), 0, "gone", false);
	told_start(&s->t);
	told_exactly(&s->t,
		     "content f3\n"
		     "drop e%lld/dir\ncontent e%lld\n"
		     "expire e%lld/a\nexpire e%lld/sub\ncontent e%lld\nattr e%lld\n"
		     "drop f2/laptop\ndrop f2/laptop$\ncontent d1\n"
		     "expire d1/photos\nattr e%lld\n",
		     root, dir, dir, dir, (long long)a, (long long)sub, root);
}

static void test_a_full_queue_widens_to_all_links(void **state)
{
	struct stage *s = *state;
	struct world *w = &s->w;
	int64_t pair = 0, favorite = 0, a = world_file(w, "a", "x");
	long long t = library_tag(&w->library, "t");

	assert_int_equal(library_pair(&w->library, t, a, "a", &pair), 0);
	assert_int_equal(library_pair(&w->library, COLLECTION_FAVORITES_ID, a, "a", &favorite), 0);
	fill_queue(s);
	put(s, NOTICE_LINKS, 0, object(OBJECT_ENTRY, 4711), NULL, false);
	told_start(&s->t);
	told_settle(&s->t);
	_cleanup_(free_ptr) char *text = buf_take_str(&s->t.text), *expected = NULL;
	assert_true(asprintf(&expected, "expire f5/a\nexpire c%lld/a\ncontent p%lld\ncontent f5\ncontent p%lld\ncontent c%lld\n", t,
			     (long long)favorite, (long long)pair, t) > 0);
	assert_non_null(strstr(text, expected));
}

static void test_too_many_directories_widen_to_everything(void **state)
{
	struct stage *s = *state;

	fill_queue(s);
	for (int i = 0; i < 2000; i++)
		put(s, NOTICE_LISTING, object(OBJECT_ENTRY, 100 + i), 0, NULL, false);
	told_start(&s->t);
	told_exactly(&s->t, "drop f1/devices\ndrop f1/tags\ndrop f1/albums\ndrop f1/favorites\n"
			    "content f2\ncontent f3\ncontent f4\ncontent f5\ncontent f1\n");
}

struct filler {
	struct stage *s;
	atomic_bool done;
};

static void *put_bulk(void *arg)
{
	struct filler *f = arg;

	put(f->s, NOTICE_LISTING, OBJECT_ALBUMS, 0, NULL, true);
	atomic_store(&f->done, true);
	return NULL;
}

static void test_bulk_writers_wait_for_room(void **state)
{
	struct stage *s = *state;
	struct filler f = { .s = s };
	pthread_t thread;

	fill_queue(s);
	assert_int_equal(pthread_create(&thread, NULL, put_bulk, &f), 0);
	for (int i = 0; i < 1000; i++)
		sched_yield();
	assert_false(atomic_load(&f.done));
	told_start(&s->t);
	pthread_join(thread, NULL);
	told_exactly(&s->t, "content f3\ncontent f4\n"); /* not widened */
}

/* Nobody takes anything: it does not wait for ever. */
static void test_bulk_writers_do_not_wait_long(void **state)
{
	struct stage *s = *state;
	struct filler f = { .s = s };

	fill_queue(s);
	for (int i = 0; i < 100; i++) /* nor each of the many puts of one commit */
		put_bulk(&f);
	told_start(&s->t);
	told_exactly(&s->t, "content f3\ndrop f1/albums\ncontent f4\n");
}

static void test_stopping_lets_everybody_go(void **state)
{
	struct stage *s = *state;
	struct filler f = { .s = s };
	pthread_t thread;

	fill_queue(s);
	assert_int_equal(pthread_create(&thread, NULL, put_bulk, &f), 0);
	announce_stop(s->t.announce);
	pthread_join(thread, NULL);
	announce_settle(s->t.announce);
	assert_int_equal(announce_run(s->t.announce), 0);
	put(s, NOTICE_LISTING, OBJECT_TAGS, 0, NULL, true);
	assert_int_equal(s->t.count, 0);
}

/* --- grace: no call is made while a handler that began before the change has not replied --- */

static void test_calls_wait_for_handlers(void **state)
{
	struct stage *s = start(state);
	unsigned slot = grace_enter(s->t.grace);

	put(s, NOTICE_LISTING, OBJECT_TAGS, 0, NULL, false);
	for (int i = 0; i < 1000; i++)
		sched_yield();
	assert_int_equal(__atomic_load_n(&s->t.count, __ATOMIC_SEQ_CST), 0);
	grace_leave(s->t.grace, slot);
	told_exactly(&s->t, "content f3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_name_that_is_taken_again_is_not_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_to_what_was_purged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_by_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_below_a_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_move_between_collections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_equal_calls_are_made_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_go_before_inodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_queue_widens_to_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_queue_widens_to_all_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_directories_widen_to_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bulk_writers_wait_for_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bulk_writers_do_not_wait_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopping_lets_everybody_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls_wait_for_handlers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
