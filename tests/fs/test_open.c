#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
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

struct opened {
	int r;
	bool keep, direct;
	char text[64];
};

static struct opened open_with(struct world *w, int64_t entry, int flags)
{
	struct opened o = { 0 };
	struct fs_file *file = NULL;

	o.r = fs_open(w->fs, object(OBJECT_ENTRY, entry), flags, &file);
	if (o.r == 0) {
		int fd = file->fd;
		o.keep = file->keep_cache;
		o.direct = file->direct;
		ssize_t n = read(fd, o.text, sizeof(o.text) - 1);
		assert_true(n >= 0);
		o.text[n] = '\0';
		assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDONLY);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		fs_close(w->fs, file);
	} else {
		assert_null(file);
	}
	return o;
}

static void write_text(struct world *w, const char *path, const char *text)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);
	_cleanup_(close_fd) int fd = open(real, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void rename_real(struct world *w, const char *from, const char *to)
{
	_cleanup_(free_ptr) char *a = world_real(w, from), *b = world_real(w, to);

	assert_int_equal(rename(a, b), 0);
}

static void link_real(struct world *w, const char *target, const char *path)
{
	_cleanup_(free_ptr) char *real = world_real(w, path);

	assert_int_equal(symlink(target, real), 0);
}

static void test_reading(void **state)
{
	struct world *w = *state;
	int64_t entry = world_file(w, "dir/sub/a.txt", "hello");
	struct opened o = open_with(w, entry, O_RDONLY);

	assert_int_equal(o.r, 0);
	assert_string_equal(o.text, "hello");
	assert_false(o.keep); /* never opened before */
	assert_false(o.direct);
	assert_int_equal(w->stale, 0);
	o = open_with(w, entry, O_RDONLY | O_NOFOLLOW);
	assert_true(o.keep);
	assert_false(o.direct);
}

static void test_what_is_not_opened(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "a", "x"), dir = world_dir(w, "dir"), link = world_symlink(w, "link", "a");
	int64_t fifo = world_node(w, "fifo", S_IFIFO), sock = world_node(w, "sock", S_IFSOCK);
	struct fs_file *none;

	assert_int_equal(open_with(w, file, O_WRONLY).r, -EROFS);
	assert_int_equal(open_with(w, file, O_RDWR).r, -EROFS);
	assert_int_equal(open_with(w, file, O_RDONLY | O_TRUNC).r, -EROFS);
	assert_int_equal(open_with(w, dir, O_RDONLY).r, -EISDIR);
	assert_int_equal(open_with(w, w->root, O_RDONLY).r, -EISDIR);
	assert_int_equal(open_with(w, link, O_RDONLY).r, -EPERM);
	assert_int_equal(open_with(w, fifo, O_RDONLY).r, -EPERM);
	assert_int_equal(open_with(w, sock, O_RDONLY).r, -EPERM);
	assert_int_equal(open_with(w, 9999, O_RDONLY).r, -ENOENT);
	assert_int_equal(fs_open(w->fs, OBJECT_TAGS, O_RDONLY, &none), -EISDIR);
	world_peers(w);
	assert_int_equal(open_with(w, 500002, O_RDONLY).r, -EREMOTE);
	assert_int_equal(open_with(w, 500002, O_WRONLY).r, -EROFS);
	assert_int_equal(open_with(w, 500001, O_RDONLY).r, -EISDIR);
	library_delete(&w->library, file);
	assert_int_equal(open_with(w, file, O_RDONLY).r, -ENOENT);
}

static void test_a_file_that_differs_from_its_row(void **state)
{
	struct world *w = *state;
	int64_t entry = world_file(w, "a", "old");
	struct opened o;

	open_with(w, entry, O_RDONLY);
	write_text(w, "a", "longer");
	o = open_with(w, entry, O_RDONLY);
	assert_int_equal(o.r, 0);
	assert_string_equal(o.text, "longer");
	assert_true(o.direct);
	assert_false(o.keep);
	assert_int_equal(w->stale, entry);
	/* The row is refreshed: the pages of the first open are still old. */
	world_update(w, entry, "a");
	o = open_with(w, entry, O_RDONLY);
	assert_false(o.direct);
	assert_false(o.keep);
	assert_true(open_with(w, entry, O_RDONLY).keep);
}

static void test_a_file_that_was_replaced(void **state)
{
	struct world *w = *state;
	int64_t entry = world_file(w, "a", "old");
	_cleanup_(free_ptr) char *a = world_real(w, "a"), *b = world_real(w, "b");
	struct stat st;

	/* Same size and time, another inode. */
	assert_int_equal(stat(a, &st), 0);
	write_text(w, "b", "new");
	assert_int_equal(utimensat(AT_FDCWD, b, (struct timespec[]){ st.st_atim, st.st_mtim }, 0), 0);
	assert_int_equal(rename(b, a), 0);
	assert_true(open_with(w, entry, O_RDONLY).direct);
	assert_int_equal(w->stale, entry);
	world_update(w, entry, "a");
	assert_false(open_with(w, entry, O_RDONLY).direct);
}

static struct fs_file *open_and_hold(struct world *w, int64_t entry)
{
	struct fs_file *file = NULL;

	assert_int_equal(fs_open(w->fs, object(OBJECT_ENTRY, entry), O_RDONLY, &file), 0);
	return file;
}

/* Save by rename while somebody has the file open: the pages are the old file's until that one is closed. */
static void test_a_file_that_was_replaced_while_open(void **state)
{
	struct world *w = *state;
	int64_t entry = world_file(w, "a", "old");
	struct fs_file *first = open_and_hold(w, entry), *again = open_and_hold(w, entry), *second;

	assert_false(first->direct || first->keep_cache);
	assert_true(again->keep_cache && !again->direct); /* the same file: it shares the pages */
	write_text(w, "b", "new");
	rename_real(w, "b", "a");
	world_update(w, entry, "a");
	second = open_and_hold(w, entry);
	assert_true(second->direct && !second->keep_cache);
	assert_true(open_with(w, entry, O_RDONLY).direct);
	fs_close(w->fs, first);
	assert_true(open_with(w, entry, O_RDONLY).direct);
	fs_close(w->fs, again);
	struct opened o = open_with(w, entry, O_RDONLY);
	assert_false(o.direct || o.keep);
	assert_string_equal(o.text, "new");
	assert_true(open_with(w, entry, O_RDONLY).keep);
	fs_close(w->fs, second);
	assert_true(open_with(w, entry, O_RDONLY).keep);
}

/* The old file comes back: what was seen of it before the other one was open counts no more. */
static void test_a_file_that_comes_back(void **state)
{
	struct world *w = *state;
	int64_t entry = world_file(w, "a", "old");
	struct fs_file *other;

	open_with(w, entry, O_RDONLY);
	assert_true(open_with(w, entry, O_RDONLY).keep);
	rename_real(w, "a", "saved");
	write_text(w, "a", "new");
	other = open_and_hold(w, entry); /* differs from its row */
	assert_true(other->direct);
	rename_real(w, "saved", "a");
	world_update(w, entry, "a");
	assert_true(open_with(w, entry, O_RDONLY).direct);
	fs_close(w->fs, other);
	assert_false(open_with(w, entry, O_RDONLY).keep);
	assert_true(open_with(w, entry, O_RDONLY).keep);
	open_and_hold(w, entry); /* fs_free closes it */
}

/* Somebody wrote and set the time back: row, size and time tell nothing, but the pages are not kept. */
static void test_a_hidden_change(void **state)
{
	struct world *w = *state;
	int64_t entry = world_file(w, "a", "old");
	_cleanup_(free_ptr) char *a = world_real(w, "a");
	struct stat before, after;

	open_with(w, entry, O_RDONLY);
	assert_true(open_with(w, entry, O_RDONLY).keep);
	assert_int_equal(stat(a, &before), 0);
	do { /* until the clock of the filesystem has moved on */
		write_text(w, "a", "new");
		assert_int_equal(utimensat(AT_FDCWD, a, (struct timespec[]){ before.st_atim, before.st_mtim }, 0), 0);
		assert_int_equal(stat(a, &after), 0);
	} while (after.st_ctim.tv_sec == before.st_ctim.tv_sec && after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	assert_false(open_with(w, entry, O_RDONLY).direct);
	write_text(w, "a", "neu");
	assert_int_equal(utimensat(AT_FDCWD, a, (struct timespec[]){ before.st_atim, before.st_mtim }, 0), 0);
	assert_string_equal(open_with(w, entry, O_RDONLY).text, "neu");
}

static void test_a_file_that_vanished_or_became_something_else(void **state)
{
	struct world *w = *state;
	int64_t entry = world_file(w, "dir/a", "x");
	_cleanup_(free_ptr) char *a = world_real(w, "dir/a");

	assert_int_equal(unlink(a), 0);
	assert_int_equal(open_with(w, entry, O_RDONLY).r, -ENOENT);
	assert_int_equal(w->stale, entry);
	assert_int_equal(mkfifo(a, 0644), 0); /* does not block */
	assert_int_equal(open_with(w, entry, O_RDONLY).r, -ENOENT);
	assert_int_equal(unlink(a), 0);
	assert_int_equal(mkdir(a, 0755), 0);
	assert_int_equal(open_with(w, entry, O_RDONLY).r, -ENOENT);
	assert_int_equal(rmdir(a), 0);
	assert_int_equal(mknod(a, S_IFSOCK | 0644, 0), 0);
	assert_int_equal(open_with(w, entry, O_RDONLY).r, -ENOENT);
}

static void test_symlinks_lead_nowhere(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "dir/passwd", "mine");

	rename_real(w, "dir/passwd", "saved");
	link_real(w, "/etc/passwd", "dir/passwd");
	assert_int_equal(open_with(w, file, O_RDONLY).r, -ENOENT);
	link_real(w, "saved", "inside");
	rename_real(w, "inside", "dir/passwd");
	assert_int_equal(open_with(w, file, O_RDONLY).r, -ENOENT);
	rename_real(w, "dir", "away");
	link_real(w, "/etc", "dir");
	assert_int_equal(open_with(w, file, O_RDONLY).r, -ENOENT);
	link_real(w, "away", "to away");
	rename_real(w, "to away", "dir");
	assert_int_equal(open_with(w, file, O_RDONLY).r, -ENOENT);
}

static void test_a_location_that_is_another_directory(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "a", "x");
	_cleanup_(free_ptr) char *away = scratch_path(&w->library.scratch, "away"), *fake = world_real(w, "a");

	assert_int_equal(rename(w->real, away), 0);
	assert_int_equal(open_with(w, file, O_RDONLY).r, -EIO);
	assert_int_equal(symlink(away, w->real), 0);
	assert_int_equal(open_with(w, file, O_RDONLY).r, -EIO);
	assert_int_equal(unlink(w->real), 0);
	assert_int_equal(mkdir(w->real, 0755), 0);
	write_text(w, "a", "x");
	assert_int_equal(open_with(w, file, O_RDONLY).r, -EIO);
	assert_int_equal(w->stale, 0); /* nothing is known of the file */
	assert_int_equal(unlink(fake), 0);
	assert_int_equal(rmdir(w->real), 0);
	assert_int_equal(rename(away, w->real), 0);
	assert_int_equal(open_with(w, file, O_RDONLY).r, 0);
}

static void test_paths_longer_than_the_kernel_takes(void **state)
{
	struct world *w = *state;
	_cleanup_(close_fd) int dir = open(w->real, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[201];
	int64_t at = w->root, file;
	struct stat st;

	memset(name, 'n', 200);
	name[200] = '\0';
	for (int depth = 0; depth < 45; depth++) { /* 9 KiB */
		assert_int_equal(mkdirat(dir, name, 0755), 0);
		int next = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(dir);
		dir = next;
		at = library_dir(&w->library, w->location, at, name);
	}
	int fd = openat(dir, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "deep", 4), 4);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	assert_int_equal(symlinkat("f", dir, "l"), 0);
	file = library_file(&w->library, w->location, at, "f", 4);
	assert_string_equal(open_with(w, file, O_RDONLY).text, "deep");
}

/* --- a hostile program swaps a directory for a symlink while it is read --- */

struct swapper {
	struct world *w;
	atomic_bool stop;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;
	_cleanup_(free_ptr) char *dir = world_real(s->w, "dir"), *evil = world_real(s->w, "evil"), *away = world_real(s->w, "away");

	assert_int_equal(symlink("/etc", evil), 0);
	while (!atomic_load(&s->stop)) {
		rename(dir, away);
		rename(evil, dir);
		rename(dir, evil);
		rename(away, dir);
	}
	return NULL;
}

static void test_a_race_with_symlinks(void **state)
{
	struct world *w = *state;
	int64_t file = world_file(w, "dir/passwd", "mine");
	struct swapper s = { .w = w };
	unsigned opened = 0, gone = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	while (opened < 300 || gone < 300) {
		struct opened o = open_with(w, file, O_RDONLY);
		if (o.r == 0) {
			assert_string_equal(o.text, "mine");
			opened++;
		} else {
			assert_int_equal(o.r, -ENOENT);
			gone++;
		}
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_differs_from_its_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_was_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_was_replaced_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_hidden_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_vanished_or_became_something_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_symlinks_lead_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_location_that_is_another_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths_longer_than_the_kernel_takes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_race_with_symlinks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
