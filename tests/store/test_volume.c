/* Volumes: what is recorded of a disk, when nothing is written, and that they go with the last location on them. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/check.h"
#include "store/internal.h"
#include "store/location.h"
#include "store/volume.h"
#include "tests/lib/library.h"
#include "tests/store/steps.h"

struct fixture {
	struct library l;
	int64_t a, b; /* locations */
};

static const struct volume photos = {
    .number = 77, .name = "Photos 2TB", .filesystem = "ext4", .capacity_bytes = 2000000000000};
static const struct volume system_disk = {
    .number = INT64_MAX, .name = "system disk", .filesystem = "xfs", .capacity_bytes = 5000};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	library_init(&f->l);
	assert_int_equal(step_location_add(f->l.store, "a", &f->a), 0);
	assert_int_equal(step_location_add(f->l.store, "b", &f->b), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	library_assert_clean(&f->l); /* digests too */
	library_release(&f->l);
	free(f);
	return 0;
}

struct recording {
	int64_t location;
	const struct volume *volume;
};

static int record_one(struct txn *txn, void *arg)
{
	const struct recording *recording = arg;

	return volume_record(txn, recording->location, recording->volume);
}

static int record(struct fixture *f, int64_t location, const struct volume *volume)
{
	struct recording recording = {.location = location, .volume = volume};

	return library_write(&f->l, record_one, &recording);
}

static uint64_t volume_of(struct fixture *f, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;

	assert_int_equal(location_get(library_db(&f->l), id, &location, &rows), 0);
	return location.volume;
}

static int find(struct fixture *f, const struct volume *volume)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct volume found;
	int r = volume_get(library_db(&f->l), 1, volume->number, &found, &rows);

	if (r < 0)
		return r;
	assert_int_equal(found.device, 1);
	assert_true(found.number == volume->number);
	assert_string_equal(found.name, volume->name);
	assert_string_equal(found.filesystem, volume->filesystem);
	assert_true(found.capacity_bytes == volume->capacity_bytes);
	return 0;
}

static long long positions(struct fixture *f) /* of volumes and locations: grows by one with each row written */
{
	return step_number(f->l.store, "SELECT sum(position) FROM stream WHERE kind IN (16, 19)");
}

static void test_record(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(volume_of(f, f->a), 0);
	assert_int_equal(find(f, &photos), -ENOENT);
	assert_int_equal(volume_is_recorded(library_db(&f->l), f->a, &photos), 0);
	assert_int_equal(record(f, f->a, &photos), 0);
	assert_int_equal(find(f, &photos), 0);
	assert_int_equal(volume_of(f, f->a), 77);
	assert_int_equal(volume_of(f, f->b), 0);
	assert_int_equal(volume_is_recorded(library_db(&f->l), f->a, &photos), 1);
	assert_int_equal(volume_is_recorded(library_db(&f->l), f->b, &photos), 0);
	assert_int_equal(volume_is_recorded(library_db(&f->l), 99, &photos), -ENOENT);
	assert_int_equal(record(f, f->b, &photos), 0); /* one row for both */
	assert_int_equal(step_number(f->l.store, "SELECT count(*) FROM volume"), 1);
}

static void test_nothing_new_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct volume near = photos, other = photos;
	long long before;

	assert_int_equal(record(f, f->a, &photos), 0);
	before = positions(f);
	assert_int_equal(record(f, f->a, &photos), 0);
	near.capacity_bytes += near.capacity_bytes / 200;
	assert_int_equal(volume_is_recorded(library_db(&f->l), f->a, &near), 1);
	assert_int_equal(record(f, f->a, &near), 0);
	assert_int_equal(positions(f), before);
	other.capacity_bytes *= 2;
	assert_int_equal(volume_is_recorded(library_db(&f->l), f->a, &other), 0);
	assert_int_equal(record(f, f->a, &other), 0);
	assert_int_equal(find(f, &other), 0);
	other.name = "Photos";
	assert_int_equal(record(f, f->a, &other), 0);
	other.filesystem = "btrfs";
	assert_int_equal(record(f, f->a, &other), 0);
	assert_int_equal(find(f, &other), 0);
	assert_int_equal(positions(f), before + 3); /* of the location nothing */
}

static void test_it_goes_with_the_last_location(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(record(f, f->a, &photos), 0);
	assert_int_equal(record(f, f->b, &photos), 0);
	assert_int_equal(record(f, f->a, &system_disk), 0);
	assert_int_equal(find(f, &photos), 0); /* b is on it */
	assert_int_equal(record(f, f->b, &system_disk), 0);
	assert_int_equal(find(f, &photos), -ENOENT);
	assert_int_equal(record(f, f->b, &photos), 0); /* the same row */
	assert_int_equal(find(f, &photos), 0);
	assert_int_equal(step_number(f->l.store, "SELECT count(*) FROM volume"), 2);
	assert_int_equal(step_location_remove(f->l.store, f->b), 0);
	assert_int_equal(find(f, &photos), -ENOENT);
	assert_int_equal(find(f, &system_disk), 0);
}

static void test_what_cannot_be_stored(void **state)
{
	struct fixture *f = *state;
	struct volume bad = photos;
	char long_type[100];

	assert_int_equal(record(f, 99, &photos), -ENOENT);
	bad.number = 0;
	assert_int_equal(record(f, f->a, &bad), -EINVAL);
	bad.number = UINT64_MAX;
	assert_int_equal(record(f, f->a, &bad), -EINVAL);
	bad = photos;
	bad.name = "a/b";
	assert_int_equal(record(f, f->a, &bad), -EINVAL);
	bad = photos;
	memset(long_type, 'x', sizeof(long_type));
	long_type[sizeof(long_type) - 1] = '\0';
	bad.filesystem = long_type;
	assert_int_equal(record(f, f->a, &bad), -EINVAL);
	assert_int_equal(step_number(f->l.store, "SELECT count(*) FROM volume"), 0);
}

static void count(void *arg, bool problem, const char *line)
{
	print_message("%s\n", line);
	*(int *)arg += 1;
}

static uint64_t problems(struct fixture *f, bool repair)
{
	int said = 0;
	const struct check_opts opts = {.repair = repair, .say = count, .arg = &said};
	uint64_t found = 0;

	assert_int_equal(store_check(f->l.store, &opts, &found), 0);
	assert_true(said > 0 || found == 0);
	return found;
}

/* Made by another device: its volume may come later than the location. */
static const char peers[] = "INSERT INTO device (id, uuid, name, member) VALUES"
			    " (2, x'01112233445566778899aabbccddeeff', 'peer', 1);"
			    "INSERT INTO location (id, device, prefix, name, path, volume, version)"
			    " VALUES (50, 2, 0x7111111111118111, 'camera', '/sdcard', 5, 1);"
			    "INSERT INTO entry (id, location, seq, parent, name, mode, size, mtime_ns, version)"
			    " VALUES (500, 50, 0, 0, '', 16877, 0, 0, 1); UPDATE location SET root = 500 WHERE id = 50";

static void test_check(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(record(f, f->a, &photos), 0);
	assert_int_equal(problems(f, false), 0);
	assert_int_equal(step_sql(f->l.store, peers), 0);
	assert_int_equal(problems(f, false), 0);
	assert_int_equal(step_sql(f->l.store, "UPDATE location SET volume = 5 WHERE name = 'b'"), 0);
	assert_int_equal(problems(f, false), 2); /* and the digest */
	assert_int_equal(problems(f, true), 0);
	assert_int_equal(volume_of(f, f->b), 0);
	assert_int_equal(step_sql(f->l.store, "UPDATE location SET volume = 0 WHERE name = 'a'"), 0);
	assert_int_equal(problems(f, false), 2);
	assert_int_equal(problems(f, true), 0);
	assert_int_equal(find(f, &photos), -ENOENT);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_record),
	    TEST(test_nothing_new_writes_nothing),
	    TEST(test_it_goes_with_the_last_location),
	    TEST(test_what_cannot_be_stored),
	    TEST(test_check),
	};

	return cmocka_run_group_tests_name("volume", tests, NULL, NULL);
}
