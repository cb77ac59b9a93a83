#include "base/mountinfo.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/test.h"

static const char table[] = "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
			    "21 20 0:5 / /proc rw - proc proc rw\n"
			    "22 20 0:40 / /mnt rw,nosuid shared:3 master:1 - fuse.shelf odd\\134name rw\n"
			    "23 20 0:40 /devices/my\\040laptop /srv/bind\\011here rw - fuse.shelf a rw\n"
			    "24 20 0:41 / /hidden/below rw - fuse.shelf b rw\n"
			    "25 20 8:2 / /hidden rw - ext4 /dev/sdb1 rw\n"
			    "26 20 0:42 / /covered rw - fuse.shelf c rw\n"
			    "27 26 8:3 / /covered rw - ext4 /dev/sdc1 rw\n"
			    "28 20 0:43 / /anonymous rw - tmpfs  rw\n";

static void lines_are_read(void **state)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(mountinfo_parse(strdup(table), &info), 0);
	assert_int_equal(info.count, 9);
	assert_int_equal(info.lines[0].major, 8);
	assert_int_equal(info.lines[2].minor, 40);
	assert_string_equal(info.lines[0].source, "/dev/sda1");
	assert_string_equal(info.lines[2].type, "fuse.shelf");
	assert_string_equal(info.lines[2].source, "odd\\name");
	assert_string_equal(info.lines[3].root, "/devices/my laptop");
	assert_string_equal(info.lines[3].path, "/srv/bind\there");
	assert_string_equal(info.lines[8].type, "tmpfs");
	assert_string_equal(info.lines[8].source, "");
}

static void what_a_path_lies_in(void **state)
{
	static const struct {
		const char *path;
		unsigned id;
	} rows[] = {
	    {"", 20},
	    {"/", 20},
	    {"/x", 20},
	    {"/mnt", 22},
	    {"/mnt/a/b", 22},
	    {"/mnt2", 20},
	    {"/srv", 20},
	    {"/srv/bind\there/x", 23},
	    {"/hidden/below/x", 25},
	    {"/covered/x", 27},
	    {"/proc/1", 21},
	};
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(mountinfo_parse(strdup(table), &info), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct mountinfo_line *line = mountinfo_of(&info, rows[i].path);

		assert_non_null(line);
		assert_int_equal(line->id, rows[i].id);
	}
}

/* The first mount of a namespace may be its own parent. */
static void a_mount_on_itself(void **state)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(
	    mountinfo_parse(strdup("1 1 0:2 / / rw - rootfs none rw\n2 1 8:1 / / rw - ext4 x rw\n"), &info), 0);
	assert_int_equal(mountinfo_of(&info, "/a")->id, 2);
}

static void what_is_on_top(void **state)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(mountinfo_parse(strdup(table), &info), 0);
	assert_int_equal(mountinfo_at(&info, "/covered")->id, 27);
	assert_null(mountinfo_at(&info, "/mnt/"));
	assert_null(mountinfo_at(&info, "/srv"));
	assert_string_equal(mountinfo_by_id(&info, 25)->path, "/hidden");
	assert_null(mountinfo_by_id(&info, 19));
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
	    "x",
	    "1 2 3",
	    " - ",
	    "1 2 0:3 / /",
	    "1 2 0:3 / - ext4 x rw",
	    "1 2 0:3 - ext4 x rw",
	    "22 1 254:1 / / rw",
	    "22 1 254 / / rw - ext4 /dev/root rw",
	    "1 2 3:4 / /x rw - ",
	    "1 2 3:4 / /x rw - ext4",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mountinfo info = MOUNTINFO_INIT;

		assert_int_equal(mountinfo_parse(strdup(bad[i]), &info), -ERR_MALFORMED);
		assert_null(info.lines);
	}
}

static void the_real_one(void **state)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(mountinfo_read(&info), 0);
	assert_non_null(mountinfo_of(&info, "/"));
	assert_string_equal(mountinfo_of(&info, "/proc/self")->type, "proc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_read),	   cmocka_unit_test(what_a_path_lies_in),
	    cmocka_unit_test(a_mount_on_itself),   cmocka_unit_test(what_is_on_top),
	    cmocka_unit_test(nonsense_is_refused), cmocka_unit_test(the_real_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
