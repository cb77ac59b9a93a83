/* Threads of mkdir, ln -s, mv, rm and ls on the same few directories, in one process with the workers, so that the
 * thread sanitizer sees both sides. Afterwards `check` is clean, and the kernel shows what the catalogue holds.
 * SHELF_STRESS_SECONDS says how long (5). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/object.h"
#include "tests/e2e/world.h"
#include "tests/lib/test.h"

#define CLIENTS	  8
#define DIRS	  4
#define LINKS	  5
#define FILES	  6
#define NAMES_MAX 512

static struct world w;
static uint64_t end_ms;
static atomic_ulong calls_made, findings;

/* One of the errors that a race may bring; anything else is a finding. */
static void expect(const char *what, int r, const int *allowed)
{
	int error = r < 0 ? errno : 0;

	atomic_fetch_add(&calls_made, 1);
	for (const int *a = allowed; error && *a; a++)
		if (error == *a)
			return;
	if (error) {
		print_error("%s: %s\n", what, strerror(error));
		atomic_fetch_add(&findings, 1);
	}
}

static void pick_dir(unsigned *seed, char ret_path[256])
{
	int i = rand_r(seed) % (2 * DIRS);

	snprintf(ret_path, 256, "%s/%s/d%d", w.mount, i % 2 ? "tags" : "albums", i / 2);
}

static void pick_link(unsigned *seed, char ret_path[300])
{
	char dir[256];

	pick_dir(seed, dir);
	snprintf(ret_path, 300, "%s/l%d", dir, rand_r(seed) % LINKS);
}

static void list_all(const char *path)
{
	DIR *d = opendir(path);
	char target[512];
	struct stat st;

	if (!d)
		return;
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW);
		if (readlinkat(dirfd(d), e->d_name, target, sizeof(target)) >= 0)
			fstatat(dirfd(d), e->d_name, &st, 0);
	}
	closedir(d);
}

static void one_call(unsigned *seed)
{
	char a[300], b[300], target[300];

	switch (rand_r(seed) % 8) {
	case 0:
		pick_dir(seed, a);
		expect("mkdir", mkdir(a, 0755), (const int[]){ EEXIST, 0 });
		break;
	case 1:
	case 2:
		pick_link(seed, a);
		snprintf(target, sizeof(target), "../../devices/laptop/photos/f%d", rand_r(seed) % FILES);
		expect("symlink", symlink(target, a), (const int[]){ EEXIST, ENOENT, 0 });
		break;
	case 3:
		pick_link(seed, a);
		pick_link(seed, b);
		expect("rename a link", rename(a, b), (const int[]){ ENOENT, 0 });
		break;
	case 4:
		pick_dir(seed, a);
		pick_dir(seed, b);
		expect("rename a directory", rename(a, b), (const int[]){ ENOENT, ENOTEMPTY, EPERM, EEXIST, 0 });
		break;
	case 5:
		pick_link(seed, a);
		expect("unlink", unlink(a), (const int[]){ ENOENT, 0 });
		break;
	case 6:
		pick_dir(seed, a);
		expect("rmdir", rmdir(a), (const int[]){ ENOENT, ENOTEMPTY, 0 });
		break;
	default:
		pick_dir(seed, a);
		list_all(a);
	}
}

static void *client_main(void *arg)
{
	unsigned seed = *(unsigned *)arg;

	while (clock_monotonic_ms() < end_ms)
		one_call(&seed);
	return NULL;
}

/* --- what the kernel shows is what the catalogue holds --- */

struct names {
	char *name[NAMES_MAX];
	size_t count;
};

static void names_add(struct names *names, const char *name)
{
	assert_true(names->count < NAMES_MAX);
	names->name[names->count++] = strdup(name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_equal(struct names *a, struct names *b)
{
	bool equal = a->count == b->count;

	qsort(a->name, a->count, sizeof(a->name[0]), by_name);
	qsort(b->name, b->count, sizeof(b->name[0]), by_name);
	for (size_t i = 0; equal && i < a->count; i++)
		equal = strcmp(a->name[i], b->name[i]) == 0;
	return equal;
}

static void names_clear(struct names *names)
{
	while (names->count)
		free(names->name[--names->count]);
}

static int add_from_fs(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	names_add(arg, name);
	return 0;
}

static void add_from_kernel(struct names *names, const char *path)
{
	DIR *d = opendir(path);
	struct stat st;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		names_add(names, e->d_name);
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			names_add(names, "(listed, but not there)");
	}
	closedir(d);
}

/* A notice may still be on its way: within a second it is right. */
static void assert_same(const char *path, uint64_t ino)
{
	uint64_t start = clock_monotonic_ms();

	for (;;) {
		struct names shown = { 0 }, held = { 0 };
		add_from_kernel(&shown, path);
		assert_int_equal(fs_list(w.fs, ino, 0, true, add_from_fs, &held), 0);
		bool equal = names_equal(&shown, &held);
		names_clear(&shown);
		names_clear(&held);
		if (equal)
			return;
		if (clock_monotonic_ms() - start > 5000)
			fail_msg("%s is not what the catalogue holds", path);
		poll(NULL, 0, 10);
	}
}

static int add_children(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	struct names *names = arg;

	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		names_add(names, name);
	return 0;
}

static void assert_all_same(const char *top, uint64_t ino)
{
	char *path = world_path(w.mount, top);
	struct names names = { 0 };

	assert_same(path, ino);
	assert_int_equal(fs_list(w.fs, ino, 0, true, add_children, &names), 0);
	for (size_t i = 0; i < names.count; i++) {
		char *below = world_path(path, names.name[i]);
		struct stat st;
		assert_int_equal(stat(below, &st), 0);
		assert_same(below, st.st_ino);
		free(below);
	}
	names_clear(&names);
	free(path);
}

static void test_many_clients(void **state)
{
	const char *seconds = getenv("SHELF_STRESS_SECONDS");
	pthread_t threads[CLIENTS];
	unsigned seeds[CLIENTS];
	char name[16];

	world_init(&w);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		world_file(&w, w.root, name, name);
	}
	world_mount(&w);
	end_ms = clock_monotonic_ms() + 1000 * (seconds ? strtoul(seconds, NULL, 10) : 5);
	for (unsigned i = 0; i < CLIENTS; i++) {
		seeds[i] = i + 1;
		assert_int_equal(pthread_create(&threads[i], NULL, client_main, &seeds[i]), 0);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	print_message("%lu calls\n", atomic_load(&calls_made));
	assert_int_equal(atomic_load(&findings), 0);
	library_assert_clean(&w.library);
	assert_all_same("tags", OBJECT_TAGS);
	assert_all_same("albums", OBJECT_ALBUMS);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_many_clients) };

	if (!world_can_mount())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
