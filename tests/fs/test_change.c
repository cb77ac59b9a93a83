/* The table of design section 2, but for rename (test_rename.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	world_file(&w, "a.jpg", "aaa");
	world_file(&w, "b.jpg", "bb");
	world_file(&w, "sub/c.jpg", "c");
	assert_int_equal(world_mkdir(&w, "tags/t"), 0);
	assert_int_equal(world_mkdir(&w, "albums/al"), 0);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	world_assert_sound(w);
	library_assert_clean(&w->library);
	world_release(w);
	return 0;
}

static void test_above_and_in_devices_nothing_changes(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *dir;
		int error;
	} rows[] = {
		{ "", -EPERM }, { "devices", -EROFS }, { "devices/laptop", -EROFS }, { PHOTOS, -EROFS }, { PHOTOS "/sub", -EROFS },
	};
	struct fs_attr attr;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t dir = world_at(w, rows[i].dir);
		static const char *const names[] = { "new", "devices", "laptop", "photos", "a.jpg", "tags", ".git" };
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			assert_int_equal(fs_mkdir(w->fs, dir, names[k], &attr), rows[i].error);
			assert_int_equal(fs_symlink(w->fs, dir, names[k], "x", &attr), rows[i].error);
			assert_int_equal(fs_unlink(w->fs, dir, names[k]), rows[i].error);
			assert_int_equal(fs_rmdir(w->fs, dir, names[k]), rows[i].error);
		}
		assert_int_equal(fs_refuse(w->fs, dir), rows[i].error);
	}
}

static void test_in_what_is_no_directory(void **state)
{
	struct world *w = *state;
	struct fs_attr attr;
	uint64_t link;

	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	link = world_at(w, "tags/t/a");
	assert_int_equal(fs_mkdir(w->fs, link, "x", &attr), -ENOTDIR);
	assert_int_equal(fs_unlink(w->fs, link, "x"), -ENOTDIR);
	assert_int_equal(fs_rename(w->fs, link, "x", OBJECT_TAGS, "y", 0), -ENOTDIR);
	assert_int_equal(fs_mkdir(w->fs, UINT64_MAX, "x", &attr), -ENOENT);
	assert_int_equal(fs_unlink(w->fs, object(OBJECT_COLLECTION, 999), "x"), -ENOENT);
	assert_int_equal(fs_symlink(w->fs, object(OBJECT_COLLECTION, 999), "x", PHOTOS "/a.jpg", &attr), -ENOENT);
}

static void test_mkdir(void **state)
{
	struct world *w = *state;
	static const char *const tops[] = { "tags", "albums" };
	char path[400], longest[257];

	memset(longest, 'n', 256);
	longest[256] = '\0';
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/holiday", tops[i]);
		assert_int_equal(world_mkdir(w, path), 0);
		assert_int_equal(world_mkdir(w, path), -EEXIST);
		snprintf(path, sizeof(path), "%s/.Trash-1000", tops[i]);
		assert_int_equal(world_mkdir(w, path), -EPERM);
		snprintf(path, sizeof(path), "%s/tab\there", tops[i]);
		assert_int_equal(world_mkdir(w, path), -EINVAL);
		snprintf(path, sizeof(path), "%s/\xff", tops[i]);
		assert_int_equal(world_mkdir(w, path), -EINVAL);
		snprintf(path, sizeof(path), "%s/%s", tops[i], longest);
		assert_int_equal(world_mkdir(w, path), -ENAMETOOLONG);
		snprintf(path, sizeof(path), "%s/%s", tops[i], longest + 1);
		assert_int_equal(world_mkdir(w, path), 0);
	}
	assert_int_equal(world_mkdir(w, "tags/t/deep"), -EPERM);
	assert_int_equal(world_mkdir(w, "albums/al/deep"), -EPERM);
	assert_int_equal(world_mkdir(w, "favorites/deep"), -EPERM);
}

static int no_entry(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	fail();
	return 0;
}

/* What whoever stands in a directory that was removed gets to see, also when there is one of its name again. */
static void assert_gone(struct world *w, uint64_t dir, uint64_t other, const char *name)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	struct fs_attr attr;

	assert_int_equal(fs_getattr(w->fs, dir, &attr), 0);
	assert_int_equal(attr.ino, dir);
	assert_int_equal(fs_lookup(w->fs, dir, name, &attr), -ENOENT);
	assert_int_equal(fs_list(w->fs, dir, 0, true, no_entry, NULL), -ENOENT);
	assert_int_equal(fs_symlink(w->fs, dir, "new", "../../" PHOTOS "/b.jpg", &attr), -ENOENT);
	assert_int_equal(fs_unlink(w->fs, dir, name), -ENOENT);
	assert_int_equal(fs_rmdir(w->fs, dir, name), -ENOENT);
	assert_int_equal(fs_rename(w->fs, dir, name, other, "moved", 0), -ENOENT);
	assert_int_equal(fs_rename(w->fs, other, name, dir, "moved", 0), -ENOENT);
	assert_int_equal(fs_path(w->fs, dir, &path), -ENOENT);
}

static void test_a_tag_comes_back_with_another_inode(void **state)
{
	static const char *const tops[] = { "tags", "albums" };
	struct world *w = *state;

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(free_ptr) char *path = NULL, *link = NULL;
		uint64_t first, second;

		assert_true(asprintf(&path, "%s/again", tops[i]) > 0);
		assert_true(asprintf(&link, "%s/x", path) > 0);
		assert_int_equal(world_mkdir(w, path), 0);
		assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", link), 0);
		first = world_at(w, path);
		assert_int_equal(world_unlink(w, link), 0);
		assert_int_equal(world_rmdir(w, path), 0);
		assert_int_equal(world_mkdir(w, path), 0);
		second = world_at(w, path);
		assert_int_not_equal(second, first);
		assert_int_equal(object_id(second), object_id(first));
		assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", link), 0);
		assert_gone(w, first, second, "x");
		world_assert_ls(w, path, "x");
		world_remount(w);
		assert_int_equal(world_at(w, path), second);
		assert_gone(w, first, second, "x");
	}
}

static void test_in_tags_and_albums(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_ln(w, "../" PHOTOS "/a.jpg", "tags/link"), -EPERM);
	assert_int_equal(world_ln(w, "../" PHOTOS "/a.jpg", "albums/link"), -EPERM);
	assert_int_equal(world_unlink(w, "tags/t"), -EISDIR);
	assert_int_equal(world_unlink(w, "albums/al"), -EISDIR);
	assert_int_equal(world_unlink(w, "tags/none"), -ENOENT);
	assert_int_equal(world_rmdir(w, "tags/none"), -ENOENT);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "tags")), -EPERM);
}

static void test_symlink_adds_what_the_target_names(void **state)
{
	struct world *w = *state;
	static const char *const dirs[] = { "tags/t", "albums/al", "favorites" };
	int64_t a = world_entry(w, "a.jpg");

	for (size_t i = 0; i < 3; i++) {
		const char *up = i == 2 ? "../" : "../../";
		char target[100], path[100];

		snprintf(target, sizeof(target), "%s" PHOTOS "/a.jpg", up);
		snprintf(path, sizeof(path), "%s/my name", dirs[i]);
		assert_int_equal(world_ln(w, target, path), 0);
		assert_int_equal(world_to(w, path), a);
		world_assert_target(w, path, target);
		world_assert_ls(w, dirs[i], "my name"); /* the name that it was given */
		snprintf(path, sizeof(path), "%s/other", dirs[i]);
		assert_int_equal(world_ln(w, target, path), -EEXIST); /* that entry is in already */
		snprintf(path, sizeof(path), "%s/my name", dirs[i]);
		snprintf(target, sizeof(target), "%s" PHOTOS "/b.jpg", up);
		assert_int_equal(world_ln(w, target, path), -EEXIST); /* that name is taken */
		world_assert_ls(w, dirs[i], "my name");
	}
	assert_int_equal(world_ln(w, "../../" PHOTOS, "tags/t/all"), 0); /* a location, a directory */
	assert_int_equal(world_ln(w, "../../" PHOTOS "/sub", "tags/t/sub"), 0);
	assert_int_equal(world_ln(w, "../../devices/laptop", "tags/t/x"), -ENOENT);
	assert_int_equal(world_ln(w, "../../devices", "tags/t/x"), -ENOENT);
	assert_int_equal(world_ln(w, "..", "tags/t/x"), -ENOENT);
	assert_int_equal(world_ln(w, "../../tags/t", "tags/t/x"), -ENOENT);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/none", "tags/t/x"), -ENOENT);
	assert_int_equal(world_ln(w, "a.jpg", "tags/t/x"), -ENOENT);
}

static void test_names_of_links(void **state)
{
	struct world *w = *state;
	const char *target = "../../" PHOTOS "/a.jpg";
	char path[400] = "tags/t/";
	size_t at = strlen(path);

	assert_int_equal(world_ln(w, target, "tags/t/.DS_Store"), -EPERM);
	assert_int_equal(world_ln(w, target, "tags/t/._a"), -EPERM);
	memset(path + at, 'n', 256);
	path[at + 256] = '\0';
	assert_int_equal(world_ln(w, target, path), -ENAMETOOLONG);
	path[at + 255] = '\0';
	assert_int_equal(world_ln(w, target, path), 0);
	assert_int_equal(world_unlink(w, path), 0);
	assert_int_equal(world_ln(w, target, "tags/t/any \xff\n bytes"), 0); /* names of links are not titles */
}

static void test_in_a_collection(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_ln(w, "../" PHOTOS "/a.jpg", "favorites/a"), 0);
	assert_int_equal(world_rmdir(w, "tags/t/a"), -ENOTDIR);
	assert_int_equal(world_rmdir(w, "favorites/a"), -ENOTDIR);
	assert_int_equal(world_rmdir(w, "tags/t/none"), -ENOENT);
	assert_int_equal(world_unlink(w, "tags/t/none"), -ENOENT);
	assert_int_equal(world_unlink(w, "favorites/a"), 0);
	assert_int_equal(world_unlink(w, "favorites/a"), -ENOENT);
	world_assert_ls(w, "tags/t", "a");
	assert_int_equal(fs_refuse(w->fs, world_at(w, "tags/t/a")), -EPERM);
}

static void test_rmdir(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_rmdir(w, "tags/t"), -ENOTEMPTY);
	library_delete(&w->library, world_entry(w, "a.jpg"));
	world_assert_ls(w, "tags/t", ""); /* what is not listed does not count */
	assert_int_equal(world_rmdir(w, "tags/t"), 0);
	world_assert_ls(w, "tags", "");
	assert_int_equal(world_rmdir(w, "albums/al"), 0);
}

/* rm -r: what is listed is unlinked, then the directory goes. Exactly the pairs (file, t) and the tag are gone. */
static void test_rm_r_of_a_tag(void **state)
{
	struct world *w = *state;
	_cleanup_(free_ptr) char *names = NULL;
	char *name, *at;

	assert_int_equal(world_mkdir(w, "tags/u"), 0);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/t/a"), 0);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/b.jpg", "tags/t/b"), 0);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/sub", "tags/t/sub"), 0);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "tags/u/a"), 0);
	assert_int_equal(world_ln(w, "../../" PHOTOS "/a.jpg", "albums/al/a"), 0);
	assert_int_equal(world_ln(w, "../" PHOTOS "/a.jpg", "favorites/a"), 0);
	names = world_ls(w, "tags/t");
	for (name = strtok_r(names, "|", &at); name; name = strtok_r(NULL, "|", &at)) {
		char path[100];
		snprintf(path, sizeof(path), "tags/t/%s", name);
		assert_int_equal(world_unlink(w, path), 0);
	}
	assert_int_equal(world_rmdir(w, "tags/t"), 0);
	world_assert_ls(w, "tags", "u");
	world_assert_ls(w, "tags/u", "a");
	world_assert_ls(w, "albums/al", "a");
	world_assert_ls(w, "favorites", "a");
	world_assert_ls(w, PHOTOS, "a.jpg|b.jpg|sub");
	world_assert_ls(w, PHOTOS "/sub", "c.jpg");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_above_and_in_devices_nothing_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_what_is_no_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mkdir, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_tag_comes_back_with_another_inode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_tags_and_albums, setup, teardown),
		cmocka_unit_test_setup_teardown(test_symlink_adds_what_the_target_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_of_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_a_collection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rmdir, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rm_r_of_a_tag, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
