#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/location.h"
#include "store/object.h"
#include "tests/fs/world.h"
#include "tests/lib/test.h"

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

static struct fs_attr attr_at(struct world *w, const char *path)
{
	struct fs_attr attr = { 0 };

	assert_int_equal(fs_getattr(w->fs, world_at(w, path), &attr), 0);
	return attr;
}

static void test_fixed_directories(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *path;
		uint64_t ino;
		uint32_t permissions;
	} rows[] = {
		{ "", OBJECT_ROOT, 0555 },       { "devices", OBJECT_DEVICES, 0555 },     { "tags", OBJECT_TAGS, 0755 },
		{ "albums", OBJECT_ALBUMS, 0755 }, { "favorites", OBJECT_FAVORITES, 0755 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fs_attr attr = attr_at(w, rows[i].path);
		assert_int_equal(attr.ino, rows[i].ino);
		assert_int_equal(attr.mode, S_IFDIR | rows[i].permissions);
		assert_int_equal(attr.nlink, 2);
		assert_int_equal(attr.uid, 1234);
		assert_int_equal(attr.gid, 5678);
		assert_true(attr.mtime_ns > 0);
	}
	world_assert_ls(w, "", "devices|tags|albums|favorites");
	assert_int_equal(attr_at(w, "devices/laptop").mode, S_IFDIR | 0555);
	library_tag(&w->library, "t");
	assert_int_equal(attr_at(w, "tags/t").mode, S_IFDIR | 0755);
}

static void test_entries_are_shown_as_they_are(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "a.txt", "hello");
	struct fs_attr attr;

	world_attr(w, file, S_IFREG | S_ISUID | S_ISGID | S_ISVTX | 0751, 1025, -7);
	attr = attr_at(w, "devices/laptop/photos/a.txt");
	assert_int_equal(attr.ino, object(OBJECT_ENTRY, file));
	assert_int_equal(attr.mode, S_IFREG | 07751);
	assert_int_equal(attr.nlink, 1);
	assert_int_equal(attr.size, 1025);
	assert_int_equal(attr.blocks, 3);
	assert_int_equal(attr.mtime_ns, -7);
	assert_int_equal(attr.uid, 1234);
	world_attr(w, file, S_IFREG, 0, 0);
	attr = attr_at(w, "devices/laptop/photos/a.txt");
	assert_int_equal(attr.mode, S_IFREG);
	assert_int_equal(attr.blocks, 0);
	world_attr(w, file, S_IFREG, UINT64_C(1) << 62, 0); /* a sparse one */
	assert_int_equal(attr_at(w, "devices/laptop/photos/a.txt").blocks, UINT64_C(1) << 53);
	assert_int_equal(attr_at(w, "devices/laptop/photos").ino, object(OBJECT_ENTRY, w->root));
}

static void test_peers_files_take_no_blocks(void **state)
{
	struct world *w = *state;
	struct fs_attr attr;

	world_peers(w);
	attr = attr_at(w, "devices/phone/camera/DCIM/a.jpg");
	assert_int_equal(attr.size, 5000);
	assert_int_equal(attr.blocks, 0);
	assert_int_equal(attr.mode, S_IFREG | 0644);
	world_assert_sound(w);
}

static void test_look_up(void **state)
{
	struct world *w = *state;
	static const char *const absent[] = { "", ".", "..", "a/b", "none", "\xff\xfe" };
	static const char *const dirs[] = { "", "devices", "devices/laptop", "devices/laptop/photos", "tags", "albums", "favorites" };
	char longest[257] = "";
	struct fs_attr attr;

	world_file(w, "dir/caf\xe9\n", "x"); /* no UTF-8 */
	memset(longest, 'n', 256);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		uint64_t dir = world_at(w, dirs[i]);
		for (size_t k = 0; k < sizeof(absent) / sizeof(absent[0]); k++)
			assert_int_equal(fs_lookup(w->fs, dir, absent[k], &attr), -ENOENT);
		assert_int_equal(fs_lookup(w->fs, dir, longest, &attr), -ENAMETOOLONG);
	}
	assert_int_equal(fs_lookup(w->fs, world_at(w, "devices/laptop/photos/dir"), "caf\xe9\n", &attr), 0);
	/* In what is no directory, or not there. */
	assert_int_equal(fs_lookup(w->fs, object(OBJECT_PAIR, 1), "a", &attr), -ENOTDIR);
	assert_int_equal(fs_lookup(w->fs, attr.ino, "a", &attr), -ENOENT);
	assert_int_equal(fs_lookup(w->fs, object(OBJECT_COLLECTION, 1), "a", &attr), -ENOENT); /* favorites is not a tag */
	assert_int_equal(fs_lookup(w->fs, 99, "a", &attr), -ENOENT);
	assert_int_equal(fs_lookup(w->fs, UINT64_MAX, "a", &attr), -ENOENT);
}

static void test_what_is_gone(void **state)
{
	struct world *w = *state;
	int64_t dir = world_dir(w, "dir"), file = world_file(w, "dir/f", "x");
	int64_t tag = library_tag(&w->library, "t"), pair = 0;
	static const uint64_t nonsense[] = { 0, 6, UINT64_MAX, UINT64_C(5) << 56 | 1, UINT64_C(1) << 56 | 77 };
	struct fs_attr attr;

	assert_int_equal(library_pair(&w->library, tag, file, "f", &pair), 0);
	assert_int_equal(fs_getattr(w->fs, object(OBJECT_PAIR, pair), &attr), 0);
	library_delete(&w->library, dir);
	assert_int_equal(fs_getattr(w->fs, object(OBJECT_ENTRY, dir), &attr), -ENOENT);
	assert_int_equal(fs_getattr(w->fs, object(OBJECT_ENTRY, file), &attr), -ENOENT);
	assert_int_equal(fs_getattr(w->fs, object(OBJECT_PAIR, pair), &attr), -ENOENT);
	assert_int_equal(world_rmdir(w, "tags/t"), 0);
	/* Who stands in a directory that was removed can look at it, as everywhere; nothing is in it. */
	assert_int_equal(fs_getattr(w->fs, object(OBJECT_COLLECTION, tag), &attr), 0);
	assert_int_equal(fs_lookup(w->fs, object(OBJECT_COLLECTION, tag), "f", &attr), -ENOENT);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		assert_int_equal(fs_getattr(w->fs, nonsense[i], &attr), -ENOENT);
}

static int remove_location(struct txn *txn, void *arg)
{
	return location_remove(txn, *(int64_t *)arg);
}

static void test_a_location_takes_its_entries_with_it(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "dir/f", "x");
	uint64_t dir = world_at(w, "devices/laptop/photos/dir");
	struct fs_attr attr;
	struct buf path = BUF_INIT;

	assert_int_equal(library_write(&w->library, remove_location, &w->location), 0);
	world_assert_ls(w, "devices/laptop", "");
	assert_int_equal(fs_getattr(w->fs, object(OBJECT_ENTRY, file), &attr), -ENOENT);
	assert_int_equal(fs_getattr(w->fs, dir, &attr), -ENOENT);
	assert_int_equal(fs_lookup(w->fs, dir, "f", &attr), -ENOENT);
	assert_int_equal(fs_path(w->fs, dir, &path), -ENOENT);
	buf_release(&path);
}

static void test_the_same_after_a_remount(void **state)
{
	struct world *w = *state;
	uint64_t file, link;

	world_file(w, "f", "x");
	library_tag(&w->library, "t");
	assert_int_equal(world_ln(w, "../../devices/laptop/photos/f", "tags/t/f"), 0);
	file = world_at(w, "devices/laptop/photos/f");
	link = world_at(w, "tags/t/f");
	world_remount(w);
	assert_int_equal(world_at(w, "devices/laptop/photos/f"), file);
	assert_int_equal(world_at(w, "tags/t/f"), link);
}

static void test_litter(void **state)
{
	struct world *w = *state;
	static const char *const ours[] = { "", "devices", "tags", "albums", "favorites", "tags/t" };
	static const char *const litter[] = { ".Trash-1000", ".hidden", ".DS_Store", "._x", "Thumbs.db", ".git", ".fuse_hidden0001" };

	library_tag(&w->library, "t");
	world_file(w, ".git", "x");
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		for (size_t k = 0; k < sizeof(litter) / sizeof(litter[0]); k++)
			assert_int_equal(fs_is_litter(w->fs, world_at(w, ours[i]), litter[k]), 1);
		assert_int_equal(fs_is_litter(w->fs, world_at(w, ours[i]), "git"), 0);
	}
	assert_int_equal(fs_is_litter(w->fs, world_at(w, "devices/laptop/photos"), ".git"), 0);
	assert_int_equal(fs_is_litter(w->fs, world_at(w, "devices/laptop"), ".git"), 0);
	assert_int_equal(fs_is_litter(w->fs, object(OBJECT_PAIR, 1), ".git"), 0);
	world_assert_ls(w, "devices/laptop/photos", ".git");
}

static void test_refusals(void **state)
{
	struct world *w = *state;

	library_tag(&w->library, "t");
	assert_int_equal(fs_refuse(w->fs, world_at(w, "")), -EPERM);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "tags")), -EPERM);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "albums")), -EPERM);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "tags/t")), -EPERM);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "favorites")), -EPERM);
	assert_int_equal(fs_refuse(w->fs, object(OBJECT_PAIR, 7)), -EPERM);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "devices")), -EROFS);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "devices/laptop")), -EROFS);
	assert_int_equal(fs_refuse(w->fs, world_at(w, "devices/laptop/photos")), -EROFS);
	assert_int_equal(fs_refuse(w->fs, UINT64_MAX), -EPERM);
}

static void test_statfs(void **state)
{
	struct world *w = *state;
	struct statvfs stat, again;

	assert_int_equal(fs_statfs(w->fs, &stat), 0);
	assert_true(stat.f_blocks > stat.f_bfree);
	assert_true(stat.f_bfree > 0 && stat.f_bavail > 0 && stat.f_files > stat.f_ffree && stat.f_ffree > 0);
	assert_int_equal(stat.f_bsize, 4096);
	assert_int_equal(stat.f_frsize, 4096);
	assert_int_equal(stat.f_namemax, 255);
	assert_int_equal(fs_statfs(w->fs, &again), 0);
	assert_int_equal(again.f_blocks, stat.f_blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fixed_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries_are_shown_as_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers_files_take_no_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_look_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_location_takes_its_entries_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_same_after_a_remount, setup, teardown),
		cmocka_unit_test_setup_teardown(test_litter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_statfs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
