/* A library as a folder: making, opening, refusing, reading on several threads, full and read-only disks. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "store/device.h"
#include "store/event.h"
#include "store/internal.h"
#include "tests/lib/library.h"
#include "tests/store/steps.h"

static int setup(void **state)
{
	struct library *l = calloc(1, sizeof(*l));

	library_init(l);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	library_release(*state);
	free(*state);
	return 0;
}

static struct store_create_opts new_opts(void)
{
	return (struct store_create_opts){.library_name = "Photos", .device_name = "laptop", .library = uuid_random()};
}

static mode_t mode_of(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

/* --- making --- */

static void test_create_makes_a_private_folder(void **state)
{
	struct library *l = *state;

	assert_int_equal(mode_of(l->dir, "."), 0700);
	assert_int_equal(mode_of(l->dir, "database.db"), 0600);
	assert_int_equal(mode_of(l->dir, "database.db-wal"), 0600);
	assert_int_equal(mode_of(l->dir, "sync.db"), 0600);
}

static void test_create_makes_this_device_the_first_member(void **state)
{
	struct library *l = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	struct uuid id = key_device_id(l->key);

	assert_int_equal(device_list(library_db(l), 0, &rows), 0);
	assert_int_equal(device_next(&rows, &device), 0);
	assert_true(device.self && device.member);
	assert_int_equal(device.id, 1);
	assert_memory_equal(&device.uuid, &id, sizeof(id));
	assert_memory_equal(device.name, "laptop", device.name_len);
	assert_int_equal(device_next(&rows, &device), 1);
	assert_int_equal(step_number(l->store, "SELECT length(name_at) FROM device"), 24);
	assert_int_equal(step_number(l->store, "SELECT position FROM shared_stream"), 1);
	assert_int_equal(step_number(l->store, "SELECT added_by = uuid AND length(public_key) = 32 FROM device"), 1);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM stream"), 4);
	assert_int_equal(step_number(l->store, "SELECT id FROM collection WHERE kind = 3 AND live = 1"), 1);
}

static void test_create_touches_nothing_that_is_there(void **state)
{
	struct library *l = *state;
	struct store_create_opts opts = new_opts();

	assert_int_equal(store_create(l->dir, &opts, l->key), -EEXIST);
	library_reopen(l);
	library_assert_clean(l);
}

static void test_create_refuses_names(void **state)
{
	struct library *l = *state;
	struct store_create_opts opts = new_opts();
	_cleanup_(free_ptr) char *dir = scratch_path(&l->scratch, "other");
	_cleanup_(free_ptr) char *deep = scratch_path(&l->scratch, "not/there");

	opts.library_name = "a/b";
	assert_int_equal(store_create(dir, &opts, l->key), -EINVAL);
	opts = new_opts();
	opts.device_name = "";
	assert_int_equal(store_create(dir, &opts, l->key), -EINVAL);
	opts = new_opts();
	assert_int_equal(store_create(deep, &opts, l->key), -ENOENT);
	assert_int_equal(scratch_count(&l->scratch), 1);
}

static void test_create_removes_what_it_made(void **state)
{
	struct library *l = *state;
	struct store_create_opts opts = new_opts();
	_cleanup_(free_ptr) char *dir = scratch_path(&l->scratch, "other");
	const rlim_t sizes[] = {0, 2048, 10000, 20000, 30000, 40000};
	struct rlimit old, limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		limit = (struct rlimit){sizes[i], old.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		int r = store_create(dir, &opts, l->key);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_equal(r, -ENOSPC);
		assert_int_equal(scratch_count(&l->scratch), 1);
	}
	assert_int_equal(store_create(dir, &opts, l->key), 0);
}

/* --- opening --- */

static void test_reopen_keeps_everything(void **state)
{
	struct library *l = *state;
	struct store_info info = *store_info(l->store);
	uint64_t clock;
	int64_t location;

	assert_string_equal(info.name, "Test");
	assert_int_equal(step_location_add(l->store, "home", &location), 0);
	assert_int_equal(step_device_rename(l->store, 1, "desktop"), 0);
	clock = l->store->clock.last;
	library_reopen(l);
	assert_memory_equal(&store_info(l->store)->library, &info.library, sizeof(info.library));
	assert_int_equal(store_info(l->store)->epoch, info.epoch);
	assert_true(l->store->clock.last >= clock);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 1);
	library_assert_clean(l);
}

static void test_close_leaves_no_wal(void **state)
{
	struct library *l = *state;

	store_close(l->store);
	l->store = NULL;
	assert_int_equal(mode_of(l->dir, "database.db-wal"), 0);
	assert_int_equal(mode_of(l->dir, "database.db-shm"), 0);
}

static void test_open_refuses(void **state)
{
	struct library *l = *state;
	_cleanup_(key_freep) struct key *other = NULL;
	_cleanup_(free_ptr) char *missing = scratch_path(&l->scratch, "missing");
	struct store *store = NULL;

	assert_int_equal(key_generate(&other), 0);
	assert_int_equal(store_open(missing, l->key, &store), -ENOENT);
	assert_int_equal(store_open(l->scratch.path, l->key, &store), -ENOENT);
	assert_int_equal(store_open(l->dir, other, &store), -ERR_WRONG_KEY);
	assert_int_equal(step_sql(l->store, "PRAGMA user_version = 99"), 0);
	assert_int_equal(store_open(l->dir, l->key, &store), -ERR_STALE);
	assert_null(store);
}

static void damage(const char *dir, const char *name)
{
	_cleanup_(free_ptr) char *path = NULL;
	char junk[16384];
	FILE *file;

	memset(junk, 'x', sizeof(junk));
	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fwrite(junk, sizeof(junk), 1, file), 1);
	fclose(file);
}

static void test_open_tells_of_damage(void **state)
{
	struct library *l = *state;
	struct uuid id;

	store_close(l->store);
	l->store = NULL;
	damage(l->dir, "database.db");
	assert_int_equal(store_open(l->dir, l->key, &l->store), -ERR_CORRUPT);
	assert_int_equal(store_peek(l->dir, &id), -ERR_MALFORMED);
}

static void test_open_refuses_a_library_that_was_never_filled(void **state)
{
	struct library *l = *state;
	_cleanup_(free_ptr) char *dir = scratch_path(&l->scratch, "half");
	_cleanup_(free_ptr) char *path = scratch_path(&l->scratch, "half/database.db");
	struct store *store = NULL;
	struct uuid id;

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(store_open(dir, l->key, &store), -ERR_MALFORMED);
	assert_int_equal(store_peek(dir, &id), -ERR_MALFORMED);
}

static void test_peek(void **state)
{
	struct library *l = *state;
	struct uuid open_id, closed_id;

	assert_int_equal(store_peek(l->dir, &open_id), 0);
	assert_memory_equal(&open_id, &store_info(l->store)->library, sizeof(open_id));
	store_close(l->store);
	l->store = NULL;
	assert_int_equal(store_peek(l->dir, &closed_id), 0);
	assert_memory_equal(&open_id, &closed_id, sizeof(open_id));
	assert_int_equal(mode_of(l->dir, "database.db-wal"), 0);
	assert_int_equal(store_peek(l->scratch.path, &closed_id), -ENOENT);
}

static void test_two_stores_at_once(void **state)
{
	struct library *a = *state;
	struct library b;
	int64_t location;

	library_init(&b);
	assert_int_equal(step_location_add(a->store, "home", &location), 0);
	assert_int_equal(step_number(a->store, "SELECT count(*) FROM location"), 1);
	assert_int_equal(step_number(b.store, "SELECT count(*) FROM location"), 0);
	assert_int_equal(step_location_add(b.store, "home", &location), 0);
	assert_int_equal(step_number(b.store, "SELECT count(*) FROM location"), 1);
	library_release(&b);
	assert_int_equal(step_number(a->store, "SELECT count(*) FROM location"), 1);
}

/* --- reading --- */

static void test_reader_sees_commits(void **state)
{
	struct library *l = *state;
	int64_t location;

	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 0);
	assert_int_equal(step_location_add(l->store, "home", &location), 0);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 1);
}

static void test_begin_holds_one_state(void **state)
{
	struct library *l = *state;
	struct db *db = library_db(l);
	int64_t location;

	assert_int_equal(db_begin(db), 0);
	assert_int_equal(db_begin(db), 0);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 0);
	assert_int_equal(step_location_add(l->store, "home", &location), 0);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 0);
	db_end(db);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 0);
	db_end(db);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 1);
}

static void *read_in_thread(void *arg)
{
	struct library *l = arg;
	struct db *db = NULL;

	return store_reader(l->store, &db) == 0 ? db : NULL;
}

static void test_readers_end_with_their_threads(void **state)
{
	struct library *l = *state;
	struct db *mine = library_db(l);

	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		void *db = NULL;
		assert_int_equal(pthread_create(&thread, NULL, read_in_thread, l), 0);
		assert_int_equal(pthread_join(thread, &db), 0);
		assert_non_null(db);
		assert_ptr_equal(l->store->readers.first, mine);
		assert_null(mine->next);
	}
}

struct living {
	struct library *l;
	pthread_barrier_t read, closed;
};

static void *outlive(void *arg)
{
	struct living *living = arg;

	read_in_thread(living->l);
	pthread_barrier_wait(&living->read);
	pthread_barrier_wait(&living->closed);
	return NULL;
}

static void test_close_takes_the_readers_of_living_threads(void **state)
{
	struct living living = {.l = *state};
	pthread_t thread;

	pthread_barrier_init(&living.read, NULL, 2);
	pthread_barrier_init(&living.closed, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, outlive, &living), 0);
	pthread_barrier_wait(&living.read);
	store_close(living.l->store);
	living.l->store = NULL;
	assert_int_equal(mode_of(living.l->dir, "database.db-wal"), 0);
	pthread_barrier_wait(&living.closed);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_barrier_destroy(&living.read);
	pthread_barrier_destroy(&living.closed);
}

static void test_stats(void **state)
{
	struct library *l = *state;
	struct store_stats stats;
	int64_t location;

	assert_int_equal(step_location_add(l->store, "home", &location), 0);
	assert_int_equal(step_sql(l->store, "SELECT 1"), 0); /* writes nothing: no commit */
	assert_int_equal(store_stats(l->store, &stats), 0);
	assert_int_equal(stats.commits, 1);
	assert_true(stats.database_bytes >= 4096 && stats.wal_bytes > 0);
}

/* --- full disks --- */

static void test_full_database_changes_nothing(void **state)
{
	struct library *l = *state;
	int64_t location, id;
	int64_t root;
	int r = 0;

	assert_int_equal(step_location_add(l->store, "home", &location), 0);
	root = library_root(l, location);
	assert_int_equal(connection_exec(l->store->writer->connection, "PRAGMA max_page_count = 1"),
			 0); /* as small as it is */
	for (int i = 0; r == 0 && i < 10000; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d", i);
		r = step_insert(l->store, location, root, name, step_file((uint64_t)i + 1), &id);
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(connection_exec(l->store->writer->connection, "PRAGMA max_page_count = 1000000"), 0);
	assert_int_equal(step_insert(l->store, location, root, "more", step_file(1), &id), 0);
	assert_int_equal(step_number(l->store, "SELECT max(seq) + 1 = count(*) FROM entry"), 1);
	library_assert_clean(l);
}

/* A small tmpfs, when this user may mount one. */
static bool mount_small(const char *dir, const char *size)
{
	return mount("none", dir, "tmpfs", 0, size) == 0;
}

static void test_full_disk(void **state)
{
	struct library *l = *state;
	_cleanup_(free_ptr) char *dir = scratch_path(&l->scratch, "small");
	_cleanup_(free_ptr) char *library = scratch_path(&l->scratch, "small/l");
	struct store_create_opts opts = new_opts();
	struct store *store = NULL;
	int64_t location, id, root;
	int r = 0;
	int64_t rows;

	assert_int_equal(mkdir(dir, 0700), 0);
	if (!mount_small(dir, "size=1m"))
		skip();
	assert_int_equal(store_create(library, &opts, l->key), 0);
	assert_int_equal(store_open(library, l->key, &store), 0);
	assert_int_equal(step_location_add(store, "home", &location), 0);
	root = step_number(store, "SELECT root FROM location");
	for (int i = 0; r == 0 && i < 10000; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d", i);
		r = step_insert(store, location, root, name, step_file((uint64_t)i + 1), &id);
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(step_insert(store, location, root, "more", step_file(1), &id), -ENOSPC);
	rows = step_number(store, "SELECT count(*) FROM entry");
	assert_int_equal(step_number(store, "SELECT max(version) FROM entry"), rows);
	store_close(store);
	assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT, "size=8m"), 0);
	assert_int_equal(store_open(library, l->key, &store), 0);
	assert_int_equal(step_number(store, "SELECT count(*) FROM entry"), rows);
	assert_int_equal(step_insert(store, location, root, "more", step_file(1), &id), 0);
	store_close(store);
	assert_int_equal(umount(dir), 0);
}

/* --- read-only folders --- */

static void assert_reads_but_does_not_write(const char *dir, const struct key *key, int64_t locations)
{
	struct store *store = NULL;
	struct uuid id;
	int64_t location;

	assert_int_equal(store_peek(dir, &id), 0);
	assert_int_equal(store_open(dir, key, &store), 0);
	assert_int_equal(step_number(store, "SELECT count(*) FROM location"), locations);
	assert_int_equal(step_location_add(store, "more", &location), -EROFS);
	assert_int_equal(event_add(store, "info", "x"), -EROFS);
	store_close(store);
}

static void test_read_only_mount(void **state)
{
	struct library *l = *state;
	_cleanup_(free_ptr) char *dir = scratch_path(&l->scratch, "ro #1?%41");
	_cleanup_(free_ptr) char *library = scratch_path(&l->scratch, "ro #1?%41/l");
	struct store_create_opts opts = new_opts();

	assert_int_equal(mkdir(dir, 0700), 0);
	if (!mount_small(dir, "size=4m"))
		skip();
	assert_int_equal(store_create(library, &opts, l->key), 0);
	assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_reads_but_does_not_write(library, l->key, 0);
	assert_int_equal(umount(dir), 0);
}

static void copy(const char *from, const char *to, const char *name)
{
	_cleanup_(free_ptr) char *command = NULL;

	assert_true(asprintf(&command, "cp '%s/%s' '%s/'", from, name, to) > 0);
	assert_int_equal(system(command), 0);
}

/* As after a crash: what was committed last is in the WAL only. */
static void test_read_only_mount_with_a_wal(void **state)
{
	struct library *l = *state;
	_cleanup_(free_ptr) char *dir = scratch_path(&l->scratch, "ro");
	struct store *store = NULL;
	int64_t location;

	assert_int_equal(step_location_add(l->store, "home", &location), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	if (!mount_small(dir, "size=4m"))
		skip();
	copy(l->dir, dir, "database.db");
	copy(l->dir, dir, "database.db-wal");
	copy(l->dir, dir, "database.db-shm");
	assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_reads_but_does_not_write(dir, l->key, 1);

	assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT, NULL), 0);
	_cleanup_(free_ptr) char *shm = scratch_path(&l->scratch, "ro/database.db-shm");
	assert_int_equal(unlink(shm), 0);
	assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(store_open(dir, l->key, &store), -EROFS); /* rather than the state before */
	assert_int_equal(umount(dir), 0);
}

static void test_read_only_folder(void **state)
{
	struct library *l = *state;

	if (geteuid() == 0)
		skip();
	store_close(l->store);
	l->store = NULL;
	assert_int_equal(chmod(l->dir, 0500), 0);
	assert_reads_but_does_not_write(l->dir, l->key, 0);
	assert_int_equal(chmod(l->dir, 0700), 0);
}

/* Mounts of tests are this process's own and end with it. */
static void keep_mounts_private(void)
{
	if (unshare(CLONE_NEWNS) == 0)
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_create_makes_a_private_folder),
	    TEST(test_create_makes_this_device_the_first_member),
	    TEST(test_create_touches_nothing_that_is_there),
	    TEST(test_create_refuses_names),
	    TEST(test_create_removes_what_it_made),
	    TEST(test_reopen_keeps_everything),
	    TEST(test_close_leaves_no_wal),
	    TEST(test_open_refuses),
	    TEST(test_open_tells_of_damage),
	    TEST(test_open_refuses_a_library_that_was_never_filled),
	    TEST(test_peek),
	    TEST(test_two_stores_at_once),
	    TEST(test_reader_sees_commits),
	    TEST(test_begin_holds_one_state),
	    TEST(test_readers_end_with_their_threads),
	    TEST(test_close_takes_the_readers_of_living_threads),
	    TEST(test_stats),
	    TEST(test_full_database_changes_nothing),
	    TEST(test_full_disk),
	    TEST(test_read_only_mount),
	    TEST(test_read_only_mount_with_a_wal),
	    TEST(test_read_only_folder),
	};

	keep_mounts_private();
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
