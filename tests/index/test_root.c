#include "index/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "index/index.h"
#include "store/location.h"
#include "tests/index/world.h"
#include "tests/lib/test.h"

static struct world w; /* with a location at w.root */

static int setup(void **state)
{
	world_init(&w);
	return 0;
}

static int teardown(void **state)
{
	world_release(&w);
	return 0;
}

/* Returns what the check says; on a refusal the reason must hold `reason` and be one sentence. */
static int check(const char *path, const char *const *forbidden, const char *reason)
{
	_cleanup_(free_ptr) char *resolved = NULL, *said = NULL;
	struct location_new new = {0};
	int r = index_check_root(library_db(&w.library), path, forbidden, &resolved, &new, &said);

	if (r < 0) {
		assert_null(resolved);
		assert_non_null(said);
		print_message("%s\n", said);
		if (!reason || !strstr(said, reason))
			fail_msg("said: %s", said);
		assert_int_equal(said[strlen(said) - 1], '.');
	} else {
		assert_null(said);
		assert_non_null(resolved);
		assert_string_equal(new.path, resolved);
		assert_true(S_ISDIR(new.mode));
		assert_true(new.identity.ino != 0);
		assert_true(new.mtime_ns != 0);
	}
	return r;
}

static char *beside(const char *name)
{
	return scratch_path(&w.library.scratch, name);
}

static void a_folder_is_taken(void **state)
{
	_cleanup_(free_ptr) char *path = beside("other"), *link = beside("link");

	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(check(path, NULL, NULL), 0);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(check(link, NULL, NULL), 0);
}

static void what_is_no_folder_is_refused(void **state)
{
	_cleanup_(free_ptr) char *missing = beside("missing"), *file = beside("file");

	assert_int_equal(check(missing, NULL, "no folder"), -ENOENT);
	assert_int_equal(scratch_write(&w.library.scratch, "file", "x", 1, 0644), 0);
	assert_int_equal(check(file, NULL, "not a folder"), -ENOTDIR);
}

static void our_own_places_are_refused(void **state)
{
	const char *const forbidden[] = {w.library.dir, NULL};
	_cleanup_(free_ptr) char *inside = NULL, *similar = NULL;

	assert_true(asprintf(&inside, "%s/sub", w.library.dir) > 0);
	assert_true(asprintf(&similar, "%s2", w.library.dir) > 0);
	assert_int_equal(mkdir(inside, 0755), 0);
	assert_int_equal(mkdir(similar, 0755), 0);
	assert_int_equal(check(w.library.dir, forbidden, "own folder"), -EINVAL);
	assert_int_equal(check(inside, forbidden, "own folder"), -EINVAL);
	assert_int_equal(check(similar, forbidden, NULL), 0);
}

static void locations_do_not_overlap(void **state)
{
	_cleanup_(free_ptr) char *inside = world_path(&w, "sub"), *similar = beside("tree2");

	world_mkdir(&w, "sub");
	assert_int_equal(mkdir(similar, 0755), 0);
	assert_int_equal(check(w.root, NULL, "is a location already, named files"), -EEXIST);
	assert_int_equal(check(inside, NULL, "is inside"), -EEXIST);
	assert_int_equal(check(w.library.scratch.path, NULL, "is around"), -EEXIST);
	assert_int_equal(check(similar, NULL, NULL), 0);
}

static void pseudo_filesystems_are_refused(void **state)
{
	assert_int_equal(check("/proc", NULL, "proc"), -EINVAL);
	assert_int_equal(check("/proc/self", NULL, "proc"), -EINVAL);
	if (access("/sys/kernel", F_OK) == 0)
		assert_int_equal(check("/sys/kernel", NULL, "sysfs"), -EINVAL);
}

static void unreadable_folders_are_refused(void **state)
{
	_cleanup_(free_ptr) char *path = NULL;

	if (geteuid() == 0) {
		print_message("skipped: root reads everything\n");
		skip();
	}
	path = beside("closed");
	assert_int_equal(mkdir(path, 0), 0);
	assert_int_equal(check(path, NULL, "may not read"), -EACCES);
}

static void a_mount_below_a_location_is_fine(void **state)
{
	_cleanup_(free_ptr) char *path = NULL;

	if (!world_may_mount(&w)) {
		print_message("skipped: mount(2) is not allowed here\n");
		skip();
	}
	path = world_path(&w, "m");
	world_run(&w, "mkdir m && mount -t tmpfs none m");
	assert_int_equal(check(path, NULL, NULL), 0);
	world_run(&w, "umount m");
}

/* --- identity --- */

static void identities(void **state)
{
	struct location_identity a = {.fsid = 1, .ino = 2, .btime_ns = 3}, b = a;

	assert_true(root_is_same(&a, &b));
	b.fsid = 9; /* some filesystems have another one at each mount */
	assert_true(root_is_same(&a, &b));
	b.btime_ns = 4;
	assert_false(root_is_same(&a, &b));
	b.btime_ns = 0;
	assert_false(root_is_same(&a, &b));
	b.fsid = 1;
	assert_true(root_is_same(&a, &b));
	b.ino = 5;
	assert_false(root_is_same(&a, &b));
}

static void only_the_right_root_is_opened(void **state)
{
	struct location_identity identity;
	_cleanup_(close_fd) int fd = open(w.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_fd) int again = -1;
	_cleanup_(free_ptr) char *link = beside("link");

	assert_int_equal(root_identify(fd, &identity), 0);
	again = root_open(w.root, &identity);
	assert_true(again >= 0);
	assert_int_equal(symlink(w.root, link), 0);
	assert_int_equal(root_open(link, &identity), -ENODEV);
	assert_int_equal(root_open(w.library.dir, &identity), -ENODEV);
	assert_int_equal(root_open("/nowhere", &identity), -ENODEV);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_folder_is_taken),
	    TEST(what_is_no_folder_is_refused),
	    TEST(our_own_places_are_refused),
	    TEST(locations_do_not_overlap),
	    TEST(pseudo_filesystems_are_refused),
	    TEST(unreadable_folders_are_refused),
	    TEST(a_mount_below_a_location_is_fine),
	    TEST(identities),
	    TEST(only_the_right_root_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
