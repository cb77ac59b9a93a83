/* The log is one for each process: every test runs in a child of its own, which writes, and this process reads. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/lib/scratch.h"
#include "tests/lib/test.h"

/* Runs `body` in a child whose standard error is the file `stderr` of the folder. */
static void in_child(const struct scratch *s, void (*body)(const struct scratch *))
{
	_cleanup_(free_ptr) char *path = scratch_path(s, "stderr");
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

		if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
			_exit(1);
		body(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static char *read_file(const struct scratch *s, const char *name)
{
	_cleanup_(free_ptr) char *path = scratch_path(s, name);
	char *text = calloc(1, 4 * 1024 * 1024);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_non_null(text);
	(void)!fread(text, 1, 4 * 1024 * 1024 - 1, f);
	fclose(f);
	return text;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void write_each_level(const struct scratch *s)
{
	log_error("an %s", "error");
	log_warn("a warning");
	log_info("an info");
	log_debug("a debug");
}

static void info_is_the_default(void **state)
{
	_cleanup_(free_ptr) char *text = NULL;

	unsetenv("SHELF_LOG");
	in_child(*state, write_each_level);
	text = read_file(*state, "stderr");
	assert_int_equal(count_lines(text), 3);
	assert_non_null(strstr(text, "Z error: an error\n"));
	assert_non_null(strstr(text, "Z warn: a warning\n"));
	assert_non_null(strstr(text, "Z info: an info\n"));
}

static void write_with_environment(const struct scratch *s)
{
	setenv("SHELF_LOG", "debug", 1);
	write_each_level(s);
}

static void write_with_wrong_environment(const struct scratch *s)
{
	setenv("SHELF_LOG", "everything", 1);
	write_each_level(s);
}

static void environment_sets_the_level(void **state)
{
	_cleanup_(free_ptr) char *text = NULL;

	in_child(*state, write_with_environment);
	in_child(*state, write_with_wrong_environment);
	text = read_file(*state, "stderr");
	assert_int_equal(count_lines(text), 4 + 3);
}

static void write_errors_only(const struct scratch *s)
{
	setenv("SHELF_LOG", "debug", 1);
	log_set_level(LOG_ERROR);
	write_each_level(s);
}

static void the_program_wins_over_the_environment(void **state)
{
	_cleanup_(free_ptr) char *text = NULL;

	in_child(*state, write_errors_only);
	text = read_file(*state, "stderr");
	assert_int_equal(count_lines(text), 1);
}

static void write_control_characters(const struct scratch *s)
{
	errno = EBADF;
	log_error("a\nb\x1b[31m\x7f\xc2\x9b\xff%s", "\xc3\xa9\\");
	if (errno != EBADF)
		_exit(2);
}

static void control_characters_are_escaped(void **state)
{
	_cleanup_(free_ptr) char *text = NULL;

	in_child(*state, write_control_characters);
	text = read_file(*state, "stderr");
	assert_int_equal(count_lines(text), 1);
	assert_non_null(strstr(text, "error: a\\x0ab\\x1b[31m\\x7f\\xc2\\x9b\\xff\xc3\xa9\\\n"));
}

static void write_to_file(const struct scratch *s)
{
	_cleanup_(free_ptr) char *path = scratch_path(s, "log");

	if (log_open_file("/no/such/folder/log") != -ENOENT || chdir(s->path) < 0 || log_open_file("log") < 0 ||
	    chdir("/") < 0)
		_exit(2);
	log_info("one");
	if (log_open_file(path) < 0) /* again: the file is appended to */
		_exit(3);
	log_info("two");
}

static void lines_go_to_the_file(void **state)
{
	_cleanup_(free_ptr) char *path = scratch_path(*state, "log");
	_cleanup_(free_ptr) char *text = NULL;
	_cleanup_(free_ptr) char *errors = NULL;
	struct stat st;

	in_child(*state, write_to_file);
	text = read_file(*state, "log");
	errors = read_file(*state, "stderr");
	assert_int_equal(count_lines(text), 2);
	assert_string_equal(errors, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void *write_many(void *arg)
{
	char filler[101];

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	for (int i = 0; i < 3000; i++)
		log_info("%s end", filler);
	return NULL;
}

/* About 1.7 MiB in all: one rotation. */
static void write_past_the_limit(const struct scratch *s)
{
	pthread_t threads[4];

	if (chdir(s->path) < 0 || log_open_file("log") < 0 || chdir("/") < 0)
		_exit(2);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, write_many, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void rotates_and_never_mixes_lines(void **state)
{
	_cleanup_(free_ptr) char *newer = NULL;
	_cleanup_(free_ptr) char *older = NULL;
	size_t len;

	in_child(*state, write_past_the_limit);
	newer = read_file(*state, "log");
	older = read_file(*state, "log.1");
	len = strlen(older);
	assert_in_range(len, 1024 * 1024, 1024 * 1024 + 200);
	assert_int_equal(count_lines(newer) + count_lines(older), 4 * 3000);
	for (char *line = strtok(older, "\n"); line; line = strtok(NULL, "\n"))
		assert_string_equal(line + strlen(line) - 5, "x end");
	assert_int_equal(scratch_count(*state), 3);
}

static int set_up(void **state)
{
	static struct scratch s;

	*state = &s;
	return scratch_init(&s);
}

static int tear_down(void **state)
{
	scratch_release(*state);
	return 0;
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SCRATCH(info_is_the_default),
	    WITH_SCRATCH(environment_sets_the_level),
	    WITH_SCRATCH(the_program_wins_over_the_environment),
	    WITH_SCRATCH(control_characters_are_escaped),
	    WITH_SCRATCH(lines_go_to_the_file),
	    WITH_SCRATCH(rotates_and_never_mixes_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
