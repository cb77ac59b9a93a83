/* Members: adding, removing, the discovery key, and what a removal hides and keeps. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "store/check.h"
#include "store/collection.h"
#include "store/device.h"
#include "store/internal.h"
#include "store/location.h"
#include "store/oplog.h"
#include "store/pair.h"
#include "tests/lib/library.h"
#include "tests/store/heard.h"
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

struct deed {
	const struct key *key;
	const char *name;
	const struct uuid *added_by;
	int64_t id;
};

static int do_add(struct txn *txn, void *arg)
{
	struct deed *d = arg;

	return device_add(txn, key_public(d->key), d->name, strlen(d->name), d->added_by, &d->id);
}

static int do_remove(struct txn *txn, void *arg)
{
	const struct deed *d = arg;

	return device_remove(txn, d->id);
}

static int add(struct library *l, const struct key *key, const char *name, int64_t *ret_id)
{
	struct deed d = {.key = key, .name = name};
	int r = library_write(l, do_add, &d);

	if (ret_id)
		*ret_id = d.id;
	return r;
}

static int removal(struct library *l, int64_t id)
{
	return library_write(l, do_remove, &(struct deed){.id = id});
}

/* "laptop phone": members by id. */
static void assert_members(struct library *l, const char *expected)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(buf_release) struct buf names = BUF_INIT;
	_cleanup_(free_ptr) char *text = NULL;
	struct device device;

	assert_int_equal(device_list(library_db(l), 0, &rows), 0);
	while (device_next(&rows, &device) == 0)
		buf_printf(&names, "%s%.*s", names.len > 0 ? " " : "", (int)device.name_len, device.name);
	text = buf_take_str(&names);
	assert_string_equal(text ? text : "", expected);
}

static void test_the_first_member_is_like_any_other(void **state)
{
	struct library *l = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	uint8_t discovery[MODEL_DISCOVERY_LEN], zeros[MODEL_DISCOVERY_LEN] = {0};
	struct device device;

	assert_int_equal(device_find(library_db(l), &store_info(l->store)->device, &device, &rows), 0);
	assert_true(device.self && device.member);
	assert_memory_equal(device.public_key, key_public(l->key), KEY_PUBLIC_LEN);
	assert_int_equal(uuid_cmp(&device.added_by, &device.uuid), 0);
	assert_true(device.added_at.hlc > 0);
	assert_int_equal(stamp_cmp(&device.added_at, &device.member_at), 0);
	assert_int_equal(device_is_member(library_db(l), &device.uuid), 1);
	assert_int_equal(device_discovery_key(library_db(l), discovery), 0);
	assert_memory_not_equal(discovery, zeros, sizeof(zeros));
}

static void test_add(void **state)
{
	struct library *l = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(key_freep) struct key *phone = NULL;
	const struct uuid *self = &store_info(l->store)->device;
	uint8_t before[MODEL_DISCOVERY_LEN], after[MODEL_DISCOVERY_LEN];
	struct uuid uuid;
	struct device device;
	int64_t id = 0, again = 0;

	assert_int_equal(key_generate(&phone), 0);
	uuid = key_device_id(phone);
	assert_int_equal(device_find(library_db(l), &uuid, &device, &rows), -ENOENT);
	assert_int_equal(device_is_member(library_db(l), &uuid), 0);
	assert_int_equal(device_discovery_key(library_db(l), before), 0);
	assert_int_equal(add(l, phone, "a/b", NULL), -EINVAL);
	assert_int_equal(add(l, phone, "phone", &id), 0);
	assert_members(l, "laptop phone");
	assert_int_equal(device_find(library_db(l), &uuid, &device, &rows), 0);
	assert_int_equal(device.id, id);
	assert_true(device.member && !device.self);
	assert_memory_equal(device.public_key, key_public(phone), KEY_PUBLIC_LEN);
	assert_int_equal(uuid_cmp(&device.added_by, self), 0);
	assert_int_equal(device_discovery_key(library_db(l), after), 0);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(add(l, phone, "phone", &again), -EEXIST);
	assert_int_equal(again, id);
	library_assert_clean(l);
}

static void test_remove(void **state)
{
	struct library *l = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(key_freep) struct key *phone = NULL;
	uint8_t before[MODEL_DISCOVERY_LEN], after[MODEL_DISCOVERY_LEN];
	struct device device;
	int64_t id = 0, position;
	unsigned rows_seen = 0;

	assert_int_equal(key_generate(&phone), 0);
	assert_int_equal(add(l, phone, "phone", &id), 0);
	assert_int_equal(device_discovery_key(library_db(l), before), 0);
	position = step_number(l->store, "SELECT position FROM shared_stream");
	assert_int_equal(removal(l, id), 0);
	assert_int_equal(step_number(l->store, "SELECT position FROM shared_stream"), position + 1);
	assert_members(l, "laptop");
	assert_int_equal(device_discovery_key(library_db(l), after), 0);
	assert_memory_not_equal(before, after, sizeof(before));
	assert_int_equal(removal(l, id), -ENOENT);
	assert_int_equal(removal(l, 999), -ENOENT);
	/* The row stays, and its key is used up. */
	assert_int_equal(device_list_all(library_db(l), 0, &rows), 0);
	while (device_next(&rows, &device) == 0)
		rows_seen++;
	assert_int_equal(rows_seen, 2);
	assert_int_equal(add(l, phone, "phone", NULL), -EPERM);
	library_assert_clean(l);
}

static void test_not_this_device(void **state)
{
	struct library *l = *state;

	assert_int_equal(removal(l, store_info(l->store)->device_row), -EPERM);
	assert_members(l, "laptop");
}

static void count_problem(void *arg, bool problem, const char *line)
{
	*(unsigned *)arg += strstr(line, "devices:") != NULL && problem;
}

static void test_a_damaged_row_is_found(void **state)
{
	struct library *l = *state;
	unsigned said = 0;
	const struct check_opts opts = {.say = count_problem, .arg = &said};
	uint64_t problems = 0;

	assert_int_equal(step_sql(l->store, "UPDATE device SET public_key = x'00'"), 0);
	assert_int_equal(store_check(l->store, &opts, &problems), 0);
	assert_int_equal(problems, 1);
	assert_int_equal(said, 1);
}

/* Another member said so, in a change that arrives. */
static void test_being_removed_is_known(void **state)
{
	struct library *l = *state;
	uint8_t key[MODEL_DISCOVERY_LEN];

	assert_int_equal(step_sql(l->store, "UPDATE device SET member = 0"), 0);
	assert_int_equal(device_is_member(library_db(l), &store_info(l->store)->device), 0);
	assert_int_equal(device_discovery_key(library_db(l), key), -ENOENT);
}

/* The key of a removed device does not count, even when it is the newest. */
static void test_the_newest_key_of_a_member_counts(void **state)
{
	struct library *l = *state;
	uint8_t key[MODEL_DISCOVERY_LEN], expected[MODEL_DISCOVERY_LEN];

	memset(expected, 0x22, sizeof(expected));
	assert_int_equal(step_sql(l->store,
				  "INSERT INTO device (uuid, name, member, discovery, discovery_at) VALUES"
				  " (x'01', 'a', 1, x'" /* older than the next */
				  "1111111111111111111111111111111111111111111111111111111111111111', x'7000'),"
				  " (x'02', 'b', 1, x'"
				  "2222222222222222222222222222222222222222222222222222222222222222', x'7001'),"
				  " (x'03', 'c', 0, x'"
				  "3333333333333333333333333333333333333333333333333333333333333333', x'7002'),"
				  " (x'04', 'd', 1, x'', x'7003')"),
			 0);
	assert_int_equal(device_discovery_key(library_db(l), key), 0);
	assert_memory_equal(key, expected, sizeof(key));
}

static int do_forge(struct txn *txn, void *arg)
{
	_cleanup_(change_set_release) struct change_set set = CHANGE_SET_INIT;
	const struct uuid claimed = {{0x11, 0x22}};
	struct change *change;
	int r = change_set_add(&set, MODEL_DEVICE, &claimed, NULL, &change);

	if (r == 0)
		r = change_put_bytes(&set, change, DEVICE_PUBLIC_KEY, key_public(arg), KEY_PUBLIC_LEN);
	return r < 0 ? r : oplog_commit(txn, &set);
}

static void test_an_id_cannot_be_claimed(void **state)
{
	struct library *l = *state;

	assert_int_equal(library_write(l, do_forge, l->key), -ERR_MALFORMED);
	assert_members(l, "laptop");
}

/* --- what a removal hides and keeps --- */

/* A location of that device with one file of 7 bytes, as its state stream would bring it. */
static void give_location(struct library *l, int64_t device)
{
	_cleanup_(buf_release) struct buf sql = BUF_INIT;
	_cleanup_(free_ptr) char *text = NULL;

	buf_printf(&sql,
		   "INSERT INTO location (id, device, prefix, name, path, root, version)"
		   " VALUES (50, %lld, 0x7111111111118111, 'camera', '/sdcard', 500000, 1);"
		   "INSERT INTO entry (id, location, seq, parent, name, mode, size, mtime_ns, content, version) VALUES"
		   " (500000, 50, 1, 0, '', 0x41ed, 0, 1000, NULL, 1),"
		   " (500001, 50, 2, 500000, 'a.jpg', 0x81a4, 7, 3000, x'%032d', 2)",
		   (long long)device, 0);
	text = buf_take_str(&sql);
	assert_int_equal(step_sql(l->store, text), 0);
}

static unsigned count_locations(struct library *l, int64_t device)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	unsigned count = 0;

	assert_int_equal(location_list(library_db(l), device, 0, &rows), 0);
	while (location_next(&rows, &location) == 0)
		count++;
	return count;
}

static void test_removal_hides_locations_and_keeps_pairs(void **state)
{
	struct library *l = *state;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(key_freep) struct key *phone = NULL;
	struct pair pair;
	int64_t id = 0, tag, in_tag = 0, target = 0, here, location;
	uint64_t count = 0;

	assert_int_equal(key_generate(&phone), 0);
	assert_int_equal(add(l, phone, "phone", &id), 0);
	give_location(l, id);
	tag = library_tag(l, "t");
	assert_int_equal(library_pair(l, tag, 500001, "a.jpg", &in_tag), 0);
	assert_int_equal(pair_get(library_db(l), in_tag, &pair, &rows), 0);
	assert_int_equal(pair_target(library_db(l), &pair, &target), 0);
	assert_int_equal(target, 500001);
	rows_release(&rows);

	assert_int_equal(count_locations(l, 0), 1);
	assert_int_equal(removal(l, id), 0);
	assert_int_equal(pair_get(library_db(l), in_tag, &pair, &rows), 0);
	assert_true(pair.live);
	assert_int_equal(pair_target(library_db(l), &pair, &target), -ENOENT);
	rows_release(&rows);
	assert_int_equal(collection_count(library_db(l), tag, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM files"), 0);
	assert_int_equal(count_locations(l, 0), 0);

	/* A copy on this device stands in for the file that went with its device. */
	location = library_location(l, "pics");
	here = library_file(l, location, library_root(l, location), "copy.jpg", 7);
	library_content(l, here, 0);
	assert_int_equal(pair_get(library_db(l), in_tag, &pair, &rows), 0);
	assert_int_equal(pair_target(library_db(l), &pair, &target), 0);
	assert_int_equal(target, here);
	rows_release(&rows);
	library_assert_clean(l);
}

static void test_others_are_told(void **state)
{
	struct library *l = *state;
	_cleanup_(key_freep) struct key *phone = NULL;
	struct heard heard;
	int64_t id = 0;

	assert_int_equal(key_generate(&phone), 0);
	heard_init(&heard, l->store);
	assert_int_equal(add(l, phone, "phone", &id), 0);
	heard_exactly(&heard, "name f2/phone=d%lld\nlisting f2\n", (long long)id);
	assert_int_equal(removal(l, id), 0);
	heard_exactly(&heard, "name f2/phone=d%lld\nbelow d%lld\n", (long long)id, (long long)id);
	heard_release(&heard);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_the_first_member_is_like_any_other),
	    TEST(test_add),
	    TEST(test_remove),
	    TEST(test_not_this_device),
	    TEST(test_a_damaged_row_is_found),
	    TEST(test_being_removed_is_known),
	    TEST(test_the_newest_key_of_a_member_counts),
	    TEST(test_an_id_cannot_be_claimed),
	    TEST(test_removal_hides_locations_and_keeps_pairs),
	    TEST(test_others_are_told),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
