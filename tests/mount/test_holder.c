#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "mount/holder.h"
#include "mount/statedir.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

struct world {
	struct scratch scratch;
	char *dir; /* the library folder */
	struct uuid id;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	_cleanup_(free_ptr) char *state_dir = NULL;

	*state = w;
	if (scratch_init(&w->scratch) < 0)
		return -1;
	w->id = uuid_random();
	w->dir = scratch_path(&w->scratch, "lib");
	state_dir = scratch_path(&w->scratch, "state");
	setenv("SHELF_STATE_DIR", state_dir, 1);
	return mkdir(w->dir, 0700) < 0 || statedir_make(&w->id) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	scratch_release(&w->scratch);
	free(w->dir);
	free(w);
	return 0;
}

static void one_at_a_time(void **state)
{
	struct world *w = *state;
	int fd, other;

	assert_int_equal(holder_make_lock(w->dir), 0);
	assert_int_equal(holder_lock(w->dir, &fd), 0);
	assert_int_equal(holder_lock(w->dir, &other), -EBUSY);
	close(fd);
	assert_int_equal(holder_lock(w->dir, &fd), 0);
	close(fd);
	assert_int_equal(holder_lock("/nonexistent/folder", &fd), -ENOENT);
}

static void the_note_of_the_holder(void **state)
{
	struct world *w = *state;
	struct holder h = HOLDER_INIT;
	int fd;

	assert_int_equal(holder_of_library(&w->id, &h), -ENOENT);
	assert_int_equal(holder_lock(w->dir, &fd), 0);
	assert_int_equal(holder_write(fd, &w->id, w->dir, "/a\nsocket", "/mnt"), 0);
	assert_int_equal(holder_of_library(&w->id, &h), 0);
	assert_int_equal(h.pid, getpid());
	assert_string_equal(h.socket, "/a\nsocket");
	assert_string_equal(h.mountpoint, "/mnt");
	assert_string_equal(h.library, w->dir);
	holder_release(&h);
	assert_int_equal(holder_of_folder(w->dir, &h), 0);
	assert_string_equal(h.library, w->dir);
	holder_release(&h);
	assert_int_equal(holder_of_mount("/mnt", &h), 0);
	holder_release(&h);
	assert_int_equal(holder_of_mount("/other", &h), -ENOENT);
	assert_int_equal(holder_write(fd, &w->id, w->dir, NULL, NULL), 0);
	assert_int_equal(holder_of_library(&w->id, &h), 0);
	assert_string_equal(h.socket, "");
	holder_release(&h);
	holder_clear(fd, &w->id);
	assert_int_equal(holder_of_library(&w->id, &h), -ENOENT);
	assert_int_equal(holder_of_folder(w->dir, &h), -ENOENT);
	close(fd);
}

/* A folder that cannot be written: the lock is taken on it, the note is in the state folder alone. */
static void without_a_lock_file(void **state)
{
	struct world *w = *state;
	struct holder h = HOLDER_INIT;
	int fd, other;

	if (geteuid() == 0)
		skip(); /* root may always write */
	assert_int_equal(chmod(w->dir, 0500), 0);
	assert_int_equal(holder_lock(w->dir, &fd), 0);
	assert_int_equal(holder_lock(w->dir, &other), -EBUSY);
	assert_int_equal(holder_write(fd, &w->id, w->dir, "/socket", NULL), 0);
	assert_int_equal(holder_of_folder(w->dir, &h), -ENOENT);
	assert_int_equal(holder_of_library(&w->id, &h), 0);
	holder_release(&h);
	close(fd);
}

static void notes_that_are_none(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {{"1", 1},	       {"1\0a\0b\0c", 7},   {"1\0a\0b\0c\0d", 9}, {"x\0a\0b\0c\0", 8},
		   {"\0a\0b\0c\0", 7}, {"0\0a\0b\0c\0", 8}, {"-5\0a\0b\0c\0", 9}, {"99999999999999\0a\0b\0c\0", 21}};
	struct holder h = HOLDER_INIT;

	assert_int_equal(holder_parse("", 0, &h), -ENOENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(holder_parse(bad[i].text, bad[i].len, &h), -ERR_MALFORMED);
	assert_int_equal(holder_parse("7\0\0\0l\0", 6, &h), 0);
	assert_int_equal(h.pid, 7);
	assert_string_equal(h.library, "l");
	holder_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(one_at_a_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_note_of_the_holder, setup, teardown),
	    cmocka_unit_test_setup_teardown(without_a_lock_file, setup, teardown),
	    cmocka_unit_test(notes_that_are_none),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
