/* The control socket with commands that need no library. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "mount/channel.h"
#include "mount/control.h"
#include "mount/frame.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

struct world {
	struct scratch scratch;
	char *path;
	struct control *control;
};

/* Below a folder whose path is longer than a socket address. */
static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char deep[256];

	*state = w;
	if (scratch_init(&w->scratch) < 0)
		return -1;
	memset(deep, 'd', 200);
	strcpy(deep + 200, "");
	w->path = scratch_path(&w->scratch, deep);
	if (mkdir(w->path, 0700) < 0)
		return -1;
	free(w->path);
	strcat(deep, "/control.sock");
	w->path = scratch_path(&w->scratch, deep);
	return control_start(NULL, w->path, &w->control);
}

static int teardown(void **state)
{
	struct world *w = *state;

	control_stop(w->control);
	scratch_release(&w->scratch);
	free(w->path);
	free(w);
	return 0;
}

struct shown {
	struct buf error;
};

static int keep(void *arg, enum out_stream stream, const void *data, size_t len)
{
	struct shown *shown = arg;

	return stream == OUT_STDERR ? buf_append(&shown->error, data, len) : 0;
}

static bool never(void *arg)
{
	return false;
}

static const struct out_sink sink = {.write = keep, .cancelled = never};

static int ask(struct world *w, const struct buf *request, char **ret_error)
{
	_cleanup_(close_fd) int fd = -1;
	struct shown shown = {0};
	struct out out;
	int code = -1, r;

	assert_int_equal(control_connect(w->path, &fd), 0);
	assert_int_equal(frame_write(fd, request), 0);
	out_init(&out, &sink, &shown, false, false);
	r = channel_show(fd, &out, &code);
	out_release(&out);
	*ret_error = buf_take_str(&shown.error);
	return r < 0 ? r : code;
}

static void a_request_is_answered(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	char *words[] = {(char *)"nonsense"};
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	frame_put_request(&b, 0, 1, words);
	for (int i = 0; i < 3 * CONTROL_CALLS_MAX; i++) { /* slots are used again */
		_cleanup_(free_ptr) char *error = NULL;

		assert_int_equal(ask(w, &b, &error), 2);
		assert_non_null(strstr(error, "does not know"));
	}
}

static void nonsense_is_hung_up_on(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(free_ptr) char *error = NULL;

	frame_put_exit(&b, 0); /* a frame, but no request */
	assert_int_equal(ask(w, &b, &error), -EPIPE);
}

/* All slots are taken by clients that say nothing; the next one is refused. */
static void occupy(struct world *w, int fds[CONTROL_CALLS_MAX])
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	_cleanup_(free_ptr) char *error = NULL;
	char *words[] = {(char *)"nonsense"};

	for (int i = 0; i < CONTROL_CALLS_MAX; i++)
		assert_int_equal(control_connect(w->path, &fds[i]), 0);
	frame_put_request(&b, 0, 1, words);
	assert_int_equal(ask(w, &b, &error), EXITCODE_BUSY);
	assert_non_null(strstr(error, "try again"));
}

static void too_many_at_a_time(void **state)
{
	int fds[CONTROL_CALLS_MAX];

	occupy(*state, fds);
	for (int i = 0; i < CONTROL_CALLS_MAX; i++)
		close(fds[i]);
}

static void clients_that_say_nothing_do_not_keep_it_from_ending(void **state)
{
	struct world *w = *state;
	int fds[CONTROL_CALLS_MAX];

	occupy(w, fds);
	control_stop(w->control);
	w->control = NULL;
	for (int i = 0; i < CONTROL_CALLS_MAX; i++)
		close(fds[i]);
	assert_int_equal(access(w->path, F_OK), -1);
	assert_int_equal(control_connect(w->path, &fds[0]), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_request_is_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(nonsense_is_hung_up_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(clients_that_say_nothing_do_not_keep_it_from_ending, setup, teardown),
	    cmocka_unit_test_setup_teardown(too_many_at_a_time, setup, teardown),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
