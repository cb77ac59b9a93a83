#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "mount/statedir.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

static int setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	*state = s;
	unsetenv("SHELF_STATE_DIR");
	unsetenv("XDG_STATE_HOME");
	return scratch_init(s);
}

static int teardown(void **state)
{
	scratch_release(*state);
	free(*state);
	return 0;
}

static void expect_root(const char *want)
{
	_cleanup_(free_ptr) char *root = NULL;

	assert_int_equal(statedir_root(&root), 0);
	assert_string_equal(root, want);
}

static void where_it_is(void **state)
{
	setenv("HOME", "/home/somebody", 1);
	expect_root("/home/somebody/.local/state/shelf");
	setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored */
	expect_root("/home/somebody/.local/state/shelf");
	setenv("XDG_STATE_HOME", "/xdg", 1);
	expect_root("/xdg/shelf");
	setenv("SHELF_STATE_DIR", "/own", 1);
	expect_root("/own");
	assert_int_equal(chdir("/usr"), 0);
	setenv("SHELF_STATE_DIR", "own", 1);
	expect_root("/usr/own");
	assert_int_equal(chdir("/"), 0);
	setenv("SHELF_STATE_DIR", "", 1);
	expect_root("/xdg/shelf");
}

static void use_scratch(struct scratch *s, const char *below)
{
	_cleanup_(free_ptr) char *path = scratch_path(s, below);

	setenv("SHELF_STATE_DIR", path, 1);
}

static void a_folder_for_each_library(void **state)
{
	struct uuid library = uuid_random();
	_cleanup_(free_ptr) char *dir = NULL;
	_cleanup_(free_ptr) char *file = NULL;
	struct stat st;
	mode_t before = umask(0);

	use_scratch(*state, "deep/er/shelf");
	assert_int_equal(statedir_make(&library), 0);
	assert_int_equal(statedir_make(&library), 0); /* again */
	umask(before);
	assert_int_equal(statedir_library(&library, &dir), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(statedir_file(&library, "key", &file), 0);
	assert_int_equal(close(open(file, O_CREAT | O_WRONLY, 0600)), 0);
	statedir_remove(&library);
	assert_int_equal(stat(dir, &st), -1);
}

static int count_them(void *arg, const struct uuid *library)
{
	(*(int *)arg)++;
	return 0;
}

static int stop_at_first(void *arg, const struct uuid *library)
{
	return 42;
}

static void each_library(void **state)
{
	struct uuid a = uuid_random(), b = uuid_random();
	int count = 0;

	use_scratch(*state, "none");
	assert_int_equal(statedir_each(count_them, &count), 0);
	assert_int_equal(count, 0);
	use_scratch(*state, "shelf");
	assert_int_equal(statedir_make(&a), 0);
	assert_int_equal(statedir_make(&b), 0);
	assert_int_equal(scratch_write(*state, "shelf/something else", "", 0, 0600), 0);
	assert_int_equal(statedir_each(count_them, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(statedir_each(stop_at_first, NULL), 42);
}

static void a_folder_that_cannot_be_made(void **state)
{
	struct uuid library = uuid_random();

	assert_int_equal(scratch_write(*state, "file", "", 0, 0600), 0);
	use_scratch(*state, "file/shelf");
	assert_int_equal(statedir_make(&library), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(where_it_is, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_folder_for_each_library, setup, teardown),
	    cmocka_unit_test_setup_teardown(each_library, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made, setup, teardown),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
