/* Disks: which one a directory lies on, and what the index records of it. */
#include "index/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "index/root.h"
#include "tests/index/world.h"
#include "tests/lib/test.h"

static struct world w; /* with a location at w.root */

static int setup(void **state)
{
	world_init(&w);
	return 0;
}

static int teardown(void **state)
{
	world_release(&w);
	return 0;
}

static void need_mounts(void)
{
	if (world_may_mount(&w))
		return;
	print_message("skipped: mount(2) is not allowed here\n");
	skip();
}

static void look_at(const char *path, struct disk *ret_disk)
{
	_cleanup_(close_fd) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(disk_look(fd, ret_disk), 0);
	assert_true(ret_disk->volume.number > 0 && ret_disk->volume.number <= INT64_MAX);
}

static char *beside(const char *name)
{
	return scratch_path(&w.library.scratch, name);
}

/* --- which disk it is --- */

static void names_of_udev(void **state)
{
	_cleanup_(free_ptr) char *folder = beside("by-label"), *none = beside("none");
	struct stat null, zero;
	char name[DISK_TEXT_MAX];

	assert_int_equal(stat("/dev/null", &null), 0);
	assert_int_equal(stat("/dev/zero", &zero), 0);
	world_run(&w, "mkdir ../by-label && cd ../by-label && mkdir d && touch f && ln -s nowhere a &&"
		      " ln -s /dev/null 'Photos\\x202TB\\x2fx\\xq' && ln -s /dev/full b");
	assert_int_equal(disk_udev_name(folder, null.st_rdev, name), 0);
	assert_string_equal(name, "Photos 2TB/x\\xq");
	assert_int_equal(disk_udev_name(folder, zero.st_rdev, name), -ENOENT);
	assert_int_equal(disk_udev_name(none, null.st_rdev, name), -ENOENT);
}

static void folders_of_one_disk(void **state)
{
	_cleanup_(free_ptr) char *missing = world_path(&w, "a/b");
	struct disk one, other;

	look_at(w.root, &one);
	look_at(w.library.dir, &other);
	assert_true(one.volume.number == other.volume.number);
	assert_string_equal(one.volume.name, other.volume.name);
	assert_true(strlen(one.volume.name) > 0 && strlen(one.volume.filesystem) > 0 && one.volume.capacity_bytes > 0);
	assert_true(disk_is_around(w.root, one.volume.number));
	assert_true(disk_is_around(missing, one.volume.number));
	assert_false(disk_is_around(w.root, one.volume.number ^ 1));
}

static void a_mount_is_a_disk(void **state)
{
	_cleanup_(free_ptr) char *place = beside("My disk"), *again = beside("bound");
	struct disk here, disk, bound;

	need_mounts();
	look_at(w.root, &here);
	world_run(&w, "cd .. && mkdir 'My disk' bound && mount -t tmpfs -o size=6m none 'My disk' &&"
		      " mkdir 'My disk/d' && mount --bind 'My disk/d' bound");
	look_at(place, &disk);
	look_at(again, &bound);
	world_run(&w, "cd .. && umount bound 'My disk'");
	assert_string_equal(disk.volume.name, "My disk");
	assert_string_equal(disk.volume.filesystem, "tmpfs");
	assert_int_equal(disk.volume.capacity_bytes, 6 << 20);
	assert_true(disk.volume.number != here.volume.number);
	assert_true(disk.volume.number == bound.volume.number);
	assert_string_equal(bound.volume.name, "My disk");
}

/* One disk at two mount points and two ports, a copy of it with another UUID. */
static void a_disk_is_known_again(void **state)
{
	_cleanup_(free_ptr) char *a = beside("a"), *b = beside("b");
	struct disk first, second, other;

	need_mounts();
	if (system(
		"export PATH=$PATH:/sbin:/usr/sbin; command -v mkfs.ext4 losetup >/dev/null && losetup -f >/dev/null "
		"2>&1") != 0) {
		print_message("skipped: no mkfs.ext4, or no loop devices\n");
		skip();
	}
	world_run(&w, "export PATH=$PATH:/sbin:/usr/sbin; cd .. && mkdir a b && truncate -s 8M disk other &&"
		      " mkfs.ext4 -qF -L 'Photos 2TB' disk && mkfs.ext4 -qF other && mount -o loop disk a");
	look_at(a, &first);
	world_run(&w, "cd .. && umount a && mount -o loop other a && mount -o loop disk b");
	look_at(a, &other);
	look_at(b, &second);
	world_run(&w, "cd .. && umount a b");
	assert_string_equal(first.volume.name, "Photos 2TB");
	assert_string_equal(first.volume.filesystem, "ext4");
	assert_in_range(first.volume.capacity_bytes, 4 << 20, 8 << 20);
	assert_true(second.volume.number == first.volume.number);
	assert_string_equal(second.volume.name, "Photos 2TB");
	assert_true(other.volume.number != first.volume.number);
	assert_string_equal(other.volume.name, "a");
}

/* --- what is recorded --- */

/* Of the location; the number 0 when none is. Its texts are not to be used. */
static struct volume recorded(char ret_name[DISK_TEXT_MAX])
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT, more = ROWS_INIT;
	struct location location;
	struct volume volume;

	assert_int_equal(location_get(library_db(&w.library), w.location, &location, &rows), 0);
	if (location.volume == 0)
		return (struct volume){.number = 0};
	assert_int_equal(volume_get(library_db(&w.library), location.device, location.volume, &volume, &more), 0);
	snprintf(ret_name, DISK_TEXT_MAX, "%s", volume.name);
	return volume;
}

static long long number(const char *sql)
{
	_cleanup_(free_ptr) char *path = NULL;
	sqlite3_stmt *stmt = NULL;
	sqlite3 *connection;
	long long value;

	assert_true(asprintf(&path, "%s/database.db", w.library.dir) > 0);
	assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(connection);
	return value;
}

static void a_scan_records_the_disk(void **state)
{
	char name[DISK_TEXT_MAX];
	struct disk disk;
	long long before;

	look_at(w.root, &disk);
	assert_int_equal(recorded(name).number, 0);
	world_start(&w, false, false);
	world_rescan(&w);
	assert_true(recorded(name).number == disk.volume.number);
	assert_string_equal(name, disk.volume.name);
	world_stop(&w);
	before = number("SELECT sum(position) FROM stream WHERE kind IN (16, 19)");
	world_start(&w, true, false);
	world_settle(&w);
	assert_int_equal(number("SELECT sum(position) FROM stream WHERE kind IN (16, 19)"), before);
	library_assert_clean(&w.library);
}

static int adopt(struct txn *txn, void *arg)
{
	return location_set_identity(txn, w.location, arg);
}

/* A disk is put where the location's folder was, is adopted, and unplugged. */
static void another_disk(void **state)
{
	_cleanup_(close_fd) int fd = -1;
	struct location_identity identity;
	char name[DISK_TEXT_MAX];
	uint64_t first;

	need_mounts();
	world_start(&w, true, false);
	world_settle(&w);
	first = recorded(name).number;
	assert_true(first != 0);
	world_run(&w, "cd .. && mount -t tmpfs other tree");
	world_await_said(&w, "files is offline: its folder");
	assert_true(recorded(name).number == first);
	fd = open(w.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(root_identify(fd, &identity), 0);
	close(fd);
	fd = -1;
	assert_int_equal(library_write(&w.library, adopt, &identity), 0);
	world_rescan(&w);
	world_settle(&w);
	assert_true(recorded(name).number != first);
	assert_string_equal(name, "tree");
	assert_int_equal(number("SELECT count(*) FROM volume WHERE deleted = 0"), 1);
	world_run(&w, "cd .. && umount tree");
	world_await_said(&w, "files is offline: its disk 'tree' is not connected");
	world_settle(&w);
	assert_true(recorded(name).number != 0);
	assert_string_equal(name, "tree"); /* it is still the one to plug in */
	library_assert_clean(&w.library);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(names_of_udev),	 TEST(folders_of_one_disk),	TEST(a_mount_is_a_disk),
	    TEST(a_disk_is_known_again), TEST(a_scan_records_the_disk), TEST(another_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
