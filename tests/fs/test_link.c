#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/object.h"
#include "store/pair.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

#define PHOTOS "devices/laptop/photos"

static int setup(void **state)
{
	static struct world w;

	world_init(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	world_release(*state);
	return 0;
}

static int readlink_at(struct world *w, const char *path)
{
	struct buf target = BUF_INIT;
	int r = fs_readlink(w->fs, world_at(w, path), &target);

	assert_true(r == 0 || target.len == 0);
	buf_release(&target);
	return r;
}

/* --- links in collections --- */

static void test_attributes(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "dir/a.jpg", "aaa");
	struct fs_attr attr;

	world_attr(w, file, S_IFREG | 0600, 3, 12345);
	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../" PHOTOS "/dir/a.jpg", "tags/t/a"), 0);
	assert_int_equal(fs_getattr(w->fs, world_at(w, "tags/t/a"), &attr), 0);
	assert_int_equal(attr.mode, S_IFLNK | 0777);
	assert_int_equal(attr.nlink, 1);
	assert_int_equal(attr.size, strlen("../../" PHOTOS "/dir/a.jpg"));
	assert_int_equal(attr.blocks, 0);
	assert_int_equal(attr.mtime_ns, 12345);
	assert_int_equal(attr.uid, 1234);
	assert_int_equal(object_kind(attr.ino), OBJECT_PAIR);
}

static void test_each_link_has_its_inode(void **state)
{
	struct world *w = *state;

	world_file(w, "a.jpg", "aaa");
	library_tag(&w->library, "t");
	library_tag(&w->library, "u");
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/u/a"), 0);
	assert_int_not_equal(world_at(w, "tags/t/a"), world_at(w, "tags/u/a"));
}

static void test_the_target_follows_the_file(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "a/b/c.jpg", "aaa"), a = world_entry(w, "a"), other = world_dir(w, "other");

	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a/b/c.jpg", "tags/t/c"), 0);
	world_assert_target(w, "tags/t/c", "../../" PHOTOS "/a/b/c.jpg");
	world_move(w, a, other, "renamed");
	world_assert_target(w, "tags/t/c", "../../" PHOTOS "/other/renamed/b/c.jpg");
	world_move(w, file, w->root, "top.jpg");
	world_assert_target(w, "tags/t/c", "../../" PHOTOS "/top.jpg");
	world_assert_sound(w);
}

static void test_directories_and_roots_can_be_tagged(void **state)
{
	struct world *w = *state;

	world_dir(w, "dir");
	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../" PHOTOS, "tags/t/all"), 0);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/dir", "tags/t/dir"), 0);
	world_assert_target(w, "tags/t/all", "../../" PHOTOS);
	world_assert_target(w, "tags/t/dir", "../../" PHOTOS "/dir");
	world_assert_sound(w);
}

static void test_copies_stand_in(void **state)
{
	struct world *w = *state;
	int64_t a = world_file(w, "a.jpg", "same"), b = world_file(w, "dir/b.jpg", "same"), c = world_file(w, "c.jpg", "same");

	world_content(w, a, 7);
	world_content(w, b, 7);
	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	world_assert_target(w, "tags/t/a", "../../" PHOTOS "/a.jpg"); /* the tagged one, as it is local */
	library_delete(&w->library, a);
	world_assert_target(w, "tags/t/a", "../../" PHOTOS "/dir/b.jpg");
	world_assert_sound(w);
	world_attr(w, b, S_IFREG | 0644, 4, 99); /* edited: another content, as long as it is not known */
	world_assert_ls(w, "tags/t", "");
	assert_int_equal(world_rmdir(w, "tags/t"), 0);
	assert_int_equal(world_mkdir(w, "tags/t"), 0);
	world_content(w, c, 7);
	world_assert_ls(w, "tags/t", ""); /* the pair is gone with its tag */
}

static void test_a_copy_brings_a_link_back(void **state)
{
	struct world *w = *state;
	int64_t a = world_file(w, "a.jpg", "same");

	world_content(w, a, 7);
	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	library_delete(&w->library, a);
	world_assert_ls(w, "tags/t", "");
	world_content(w, world_file(w, "c.jpg", "same"), 7);
	world_assert_target(w, "tags/t/a", "../../" PHOTOS "/c.jpg");
}

static void test_the_local_copy_goes_first(void **state)
{
	struct world *w = *state;
	int64_t copy;

	world_peers(w);
	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../devices/phone/camera/DCIM/a.jpg", "tags/t/a"), 0);
	world_assert_target(w, "tags/t/a", "../../devices/phone/camera/DCIM/a.jpg");
	copy = world_file(w, "mine.jpg", "x");
	world_content(w, copy, 0xaa);
	assert_int_equal(world_to(w, "tags/t/a"), copy);
	world_assert_sound(w);
}

/* The root of the mount may be anywhere: the links go up to it and down again. */
static void test_many_directories(void **state)
{
	struct world *w = *state;

	library_tag(&w->library, "t");
	for (int i = 0; i < 200; i++) { /* more than the memo of lengths holds */
		char path[100], target[200], link[100];
		snprintf(path, sizeof(path), "%0*d/deep/f%d", i % 7 + 1, i % 100, i);
		snprintf(target, sizeof(target), "../../" PHOTOS "/%s", path);
		snprintf(link, sizeof(link), "tags/t/f%d", i);
		world_file(w, path, "x");
		assert_int_equal(world_ln(w, target, link), 0);
	}
	world_assert_sound(w);
}

static void test_what_is_no_link(void **state)
{
	struct world *w = *state;

	world_file(w, "a.jpg", "x");
	assert_int_equal(readlink_at(w, "tags"), -EINVAL);
	assert_int_equal(readlink_at(w, PHOTOS "/a.jpg"), -EINVAL);
	assert_int_equal(readlink_at(w, PHOTOS), -EINVAL);
	assert_int_equal(fs_readlink(w->fs, object(OBJECT_PAIR, 99), NULL), -ENOENT);
}

/* --- real symlinks --- */

static void test_real_symlinks_stay_inside(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *path, *target;
		int result;
	} rows[] = {
		{ "top", "a.jpg", 0 },
		{ "dir/up", "../a.jpg", 0 },
		{ "dir/sub/upup", "../../a.jpg", 0 },
		{ "dir/dot", "./../dir/./x", 0 },
		{ "dir/root", "..", 0 },
		{ "dangling", "none/at/all", 0 },
		{ "dir/slashes", "..//dir//x/", 0 },
		{ "dir/in and out", "x/../../a.jpg", 0 },
		{ "dir/dots", ".../...", 0 },
		{ "out", "..", -EPERM },
		{ "dir/out", "../..", -EPERM },
		{ "dir/out and in", "../../photos/a.jpg", -EPERM },
		{ "dir/late", "x/../../../etc/passwd", -EPERM },
		{ "absolute", "/etc/passwd", -EPERM },
	};

	world_file(w, "a.jpg", "x");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[200];
		struct fs_attr attr;
		int64_t entry = world_symlink(w, rows[i].path, rows[i].target);
		snprintf(path, sizeof(path), PHOTOS "/%s", rows[i].path);
		assert_int_equal(readlink_at(w, path), rows[i].result);
		if (rows[i].result == 0)
			world_assert_target(w, path, rows[i].target);
		assert_int_equal(fs_getattr(w->fs, object(OBJECT_ENTRY, entry), &attr), 0);
		assert_int_equal(attr.size, strlen(rows[i].target)); /* the true size, whether or not it is answered */
		assert_true(S_ISLNK(attr.mode));
	}
}

static void test_a_real_symlink_that_changed(void **state)
{
	struct world *w = *state;
	int64_t entry = world_symlink(w, "dir/link", "a");
	_cleanup_(free_ptr) char *real = world_real(w, "dir/link"), *dir = world_real(w, "dir"), *away = world_real(w, "away");

	assert_int_equal(unlink(real), 0);
	assert_int_equal(readlink_at(w, PHOTOS "/dir/link"), -ENOENT);
	assert_int_equal(w->stale, entry);
	assert_int_equal(mkdir(real, 0755), 0);
	assert_int_equal(readlink_at(w, PHOTOS "/dir/link"), -ENOENT);
	assert_int_equal(rmdir(real), 0);
	assert_int_equal(symlink("/etc/passwd", real), 0);
	assert_int_equal(readlink_at(w, PHOTOS "/dir/link"), -EPERM);
	/* A directory on the way is a symlink now. */
	assert_int_equal(rename(dir, away), 0);
	assert_int_equal(symlink("away", dir), 0);
	assert_int_equal(readlink_at(w, PHOTOS "/dir/link"), -ENOENT);
}

static void test_a_peers_symlink(void **state)
{
	struct world *w = *state;

	world_peers(w);
	assert_int_equal(readlink_at(w, "devices/phone/camera/DCIM/link"), -EREMOTE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_link_has_its_inode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_target_follows_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directories_and_roots_can_be_tagged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies_stand_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_copy_brings_a_link_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_local_copy_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_real_symlinks_stay_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_real_symlink_that_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_peers_symlink, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
