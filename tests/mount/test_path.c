#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mount/path.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

/* dir/, dir/file, link -> dir, flink -> dir/file; the working directory is there. */
static int setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	char *resolved;

	*state = s;
	if (scratch_init(s) < 0)
		return -1;
	resolved = realpath(s->path, NULL);
	strcpy(s->path, resolved);
	free(resolved);
	if (chdir(s->path) < 0 || mkdir("dir", 0700) < 0 || symlink("dir", "link") < 0 ||
	    symlink("dir/file", "flink") < 0)
		return -1;
	return scratch_write(s, "dir/file", "x", 1, 0600);
}

static int teardown(void **state)
{
	if (chdir("/") < 0)
		return -1;
	scratch_release(*state);
	free(*state);
	return 0;
}

static void expect(const struct scratch *s, int (*fn)(const char *, char **), const char *given, const char *want)
{
	_cleanup_(free_ptr) char *got = NULL;
	_cleanup_(free_ptr) char *full =
	    want[0] == '/' || want[0] == '=' ? strdup(want + (want[0] == '=')) : scratch_path(s, want);

	assert_int_equal(fn(given, &got), 0);
	assert_string_equal(got, full);
}

static void a_file_is_meant_itself(void **state)
{
	struct scratch *s = *state;

	expect(s, path_of_file, "dir/file", "dir/file");
	expect(s, path_of_file, "link/file", "dir/file");
	expect(s, path_of_file, "flink", "flink");
	expect(s, path_of_file, "link/../dir/none", "dir/none");
	expect(s, path_of_file, "link", "link");
	expect(s, path_of_file, "link/", "dir");
	expect(s, path_of_file, "link/.", "dir");
	expect(s, path_of_file, "dir/file with\nodd \xff name", "dir/file with\nodd \xff name");
	expect(s, path_of_file, "/", "/");
	expect(s, path_of_file, "/usr", "/usr");
}

static void paths_as_find_prints_them_stay(void **state)
{
	struct scratch *s = *state;

	expect(s, path_of_file, "devices/laptop/x", "=devices/laptop/x");
	expect(s, path_of_file, "tags/t/x", "=tags/t/x");
	assert_int_equal(mkdir("devices", 0700), 0); /* unless there is such a file */
	assert_int_equal(scratch_write(s, "devices/x", "", 0, 0600), 0);
	expect(s, path_of_file, "devices/x", "devices/x");
	expect(s, path_of_file, "devices/y", "=devices/y");
}

static void canonical_and_absolute(void **state)
{
	struct scratch *s = *state;

	expect(s, path_canonical, "link", "dir");
	expect(s, path_canonical, "flink", "dir/file");
	expect(s, path_canonical, "link/none", "dir/none");
	expect(s, path_canonical, "none/deeper", "none/deeper");
	expect(s, path_absolute, "link/../x", "link/../x");
	expect(s, path_absolute, "/x", "/x");
	expect(s, path_above, "/a/b", "/a");
	expect(s, path_above, "/a", "/");
}

static void below(void **state)
{
	assert_true(path_is_below("/a/b", "/a"));
	assert_true(path_is_below("/a", "/a"));
	assert_false(path_is_below("/ab", "/a"));
	assert_true(path_is_below("/x", "/"));
	assert_false(path_is_below("/a", "/a/b"));
	assert_string_equal(path_base("/a/b"), "b");
	assert_string_equal(path_base("b"), "b");
	assert_string_equal(path_base("b/"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_file_is_meant_itself, setup, teardown),
	    cmocka_unit_test_setup_teardown(paths_as_find_prints_them_stay, setup, teardown),
	    cmocka_unit_test_setup_teardown(canonical_and_absolute, setup, teardown),
	    cmocka_unit_test(below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
