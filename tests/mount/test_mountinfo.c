#include <string.h>

#include "base/err.h"
#include "mount/mountinfo.h"
#include "tests/lib/test.h"

static const char sample[] = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
			     "30 22 0:25 / /home/u/my\\040mount rw,nosuid - fuse.shelf Photos rw,user_id=1000\n"
			     "31 22 0:26 / /mnt rw shared:2 master:3 - tmpfs tmpfs rw\n"
			     "32 31 0:27 / /mnt rw - fuse.shelf odd\\134name rw\n"
			     "33 22 0:25 /tags /srv/tags rw - fuse.shelf Photos rw\n";

static void lines_are_read(void **state)
{
	struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(mountinfo_parse(sample, &info), 0);
	assert_int_equal(info.count, 5);
	assert_string_equal(info.lines[1].path, "/home/u/my mount");
	assert_string_equal(info.lines[1].type, MOUNTINFO_SHELF);
	assert_int_equal(info.lines[1].major, 0);
	assert_int_equal(info.lines[1].minor, 25);
	mountinfo_release(&info);
}

static void what_is_on_top(void **state)
{
	struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(mountinfo_parse(sample, &info), 0);
	assert_string_equal(mountinfo_at(&info, "/mnt")->type, "fuse.shelf");
	assert_null(mountinfo_at(&info, "/mnt/"));
	assert_null(mountinfo_at(&info, "/home/u"));
	assert_int_equal(mountinfo_of(&info, "/mnt/tags/x")->minor, 27);
	assert_string_equal(mountinfo_of(&info, "/home/u/my mounts")->path, "/");
	assert_string_equal(mountinfo_of(&info, "/home/u/my mount/a")->path, "/home/u/my mount");
	mountinfo_release(&info);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
	    "x",   "22 1 254:1 / / rw", "22 1 254 / / rw - ext4 /dev/root rw", "22 1 254:1 - ext4 x",
	    " - ", "1 2 3:4 / /x rw - "};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mountinfo info = MOUNTINFO_INIT;

		assert_int_equal(mountinfo_parse(bad[i], &info), -ERR_MALFORMED);
		assert_null(info.lines);
	}
}

static void the_real_one(void **state)
{
	struct mountinfo info = MOUNTINFO_INIT;

	assert_int_equal(mountinfo_read(&info), 0);
	assert_non_null(mountinfo_of(&info, "/proc/self"));
	assert_string_equal(mountinfo_of(&info, "/proc/self")->type, "proc");
	mountinfo_release(&info);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_read),
	    cmocka_unit_test(what_is_on_top),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(the_real_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
