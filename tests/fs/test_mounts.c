#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "fs/mounts.h"
#include "tests/lib/test.h"

static const char table[] =
	"20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
	"21 20 0:5 / /proc rw - proc proc rw\n"
	"22 20 0:40 / /mnt rw,nosuid shared:3 master:1 - fuse.shelf a rw\n"
	"23 20 0:40 /devices/my\\040laptop /srv/bind\\011here rw - fuse.shelf a rw\n"
	"24 20 0:41 / /hidden/below rw - fuse.shelf b rw\n"
	"25 20 8:2 / /hidden rw - ext4 /dev/sdb1 rw\n"
	"26 20 0:42 / /covered rw - fuse.shelf c rw\n"
	"27 26 8:3 / /covered rw - ext4 /dev/sdc1 rw\n";

static void test_what_a_path_lies_in(void **state)
{
	static const struct {
		const char *path;
		unsigned id;
	} rows[] = {
		{ "", 20 }, { "/", 20 }, { "/x", 20 }, { "/mnt", 22 }, { "/mnt/a/b", 22 }, { "/mnt2", 20 }, { "/srv", 20 },
		{ "/srv/bind\there/x", 23 }, { "/hidden/below/x", 25 }, { "/covered/x", 27 }, { "/proc/1", 21 },
	};
	_cleanup_(mounts_release) struct mounts mounts = { 0 };

	assert_int_equal(mounts_parse(strdup(table), &mounts), 0);
	assert_int_equal(mounts.count, 8);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct mount_line *line = mounts_of(&mounts, rows[i].path);
		assert_non_null(line);
		assert_int_equal(line->id, rows[i].id);
	}
	assert_true(mounts_of(&mounts, "/mnt")->is_shelf);
	assert_false(mounts_of(&mounts, "/covered")->is_shelf);
	assert_string_equal(mounts_of(&mounts, "/srv/bind\there")->root, "/devices/my laptop");
	assert_int_equal(mounts_of(&mounts, "/mnt")->minor, 40);
}

/* The first mount of a namespace may be its own parent. */
static void test_a_mount_on_itself(void **state)
{
	_cleanup_(mounts_release) struct mounts mounts = { 0 };

	assert_int_equal(mounts_parse(strdup("1 1 0:2 / / rw - rootfs none rw\n2 1 8:1 / / rw - ext4 x rw\n"), &mounts), 0);
	assert_int_equal(mounts_of(&mounts, "/a")->id, 2);
}

static void test_what_is_no_table(void **state)
{
	static const char *const texts[] = { "x", "1 2 3", "1 2 0:3 / /", "1 2 0:3 / - ext4 x rw", "1 2 0:3 - ext4 x rw" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mounts mounts = { 0 };
		assert_int_equal(mounts_parse(strdup(texts[i]), &mounts), -ERR_MALFORMED);
		assert_null(mounts.lines);
	}
}

static void test_our_own_table(void **state)
{
	_cleanup_(mounts_release) struct mounts mounts = { 0 };

	assert_int_equal(mounts_read(&mounts), 0);
	assert_non_null(mounts_of(&mounts, "/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_path_lies_in),
		cmocka_unit_test(test_a_mount_on_itself),
		cmocka_unit_test(test_what_is_no_table),
		cmocka_unit_test(test_our_own_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
