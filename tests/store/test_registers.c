/* Registers of whole rows: read in pieces, merged in any order, and the clock that comes of it. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "store/apply.h"
#include "store/collection.h"
#include "store/device.h"
#include "store/internal.h"
#include "store/registers.h"
#include "tests/lib/library.h"
#include "tests/store/steps.h"

enum { WHOLE = REGISTERS_BYTES_MAX };

static int setup(void **state)
{
	struct library *l = calloc(3, sizeof(*l));

	for (int i = 0; i < 3; i++)
		library_init(&l[i]);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct library *l = *state;

	for (int i = 0; i < 3; i++)
		library_release(&l[i]);
	free(l);
	return 0;
}

static int do_merge(struct txn *txn, void *arg)
{
	size_t merged = 0;

	return registers_merge(txn, arg, &merged);
}

static int merge(struct library *l, struct registers *registers)
{
	return library_write(l, do_merge, registers);
}

/* All pieces of at most `max` bytes, over the wire, from one library to another. Returns how many there were. */
static unsigned carry(struct library *from, struct library *to, uint32_t kinds, size_t max)
{
	struct registers_cursor cursor = {0};
	unsigned pieces = 0;
	int r = 0;

	while (r == 0) {
		_cleanup_(registers_release) struct registers piece = REGISTERS_INIT, received = REGISTERS_INIT;
		_cleanup_(buf_release) struct buf bytes = BUF_INIT;

		r = registers_read(library_db(from), kinds, max, &cursor, &piece);
		assert_true(r >= 0);
		assert_int_equal(registers_encode(&piece, &bytes), 0);
		assert_true(bytes.len <= max);
		assert_int_equal(registers_decode(bytes.data, bytes.len, &received), 0);
		assert_int_equal(merge(to, &received), 0);
		pieces++;
	}
	return pieces;
}

/* --- what a library holds, in an order of its own: each row encoded, sorted --- */

struct dump {
	char *rows[512];
	size_t count;
};

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_row(struct dump *dump, const struct registers *registers, size_t i)
{
	struct registers one = {.set = {.items = &registers->set.items[i], .count = 1},
				.stamps = &registers->stamps[i]};
	_cleanup_(buf_release) struct buf bytes = BUF_INIT, text = BUF_INIT;

	assert_int_equal(registers_encode(&one, &bytes), 0);
	for (size_t k = 0; k < bytes.len; k++)
		buf_printf(&text, "%02x", bytes.data[k]);
	assert_true(dump->count < 512);
	dump->rows[dump->count++] = buf_take_str(&text);
}

static void dump_take(struct library *l, uint32_t kinds, struct dump *ret_dump)
{
	_cleanup_(registers_release) struct registers all = REGISTERS_INIT;
	struct registers_cursor cursor = {0};

	*ret_dump = (struct dump){.count = 0};
	assert_int_equal(registers_read(library_db(l), kinds, WHOLE, &cursor, &all), 1);
	for (size_t i = 0; i < all.set.count; i++)
		dump_row(ret_dump, &all, i);
	qsort(ret_dump->rows, ret_dump->count, sizeof(ret_dump->rows[0]), compare_text);
}

static void dump_release(struct dump *dump)
{
	for (size_t i = 0; i < dump->count; i++)
		free(dump->rows[i]);
}

static void assert_equal(struct library *a, struct library *b, uint32_t kinds)
{
	_cleanup_(dump_release) struct dump x, y;

	dump_take(a, kinds, &x);
	dump_take(b, kinds, &y);
	assert_int_equal(x.count, y.count);
	for (size_t i = 0; i < x.count; i++)
		assert_string_equal(x.rows[i], y.rows[i]);
}

/* --- tests --- */

static void fill(struct library *l)
{
	int64_t location = library_location(l, "pics"), root = library_root(l, location);
	int64_t file = library_file(l, location, root, "x", 3), other = library_file(l, location, root, "y", 4);
	int64_t tag = library_tag(l, "t"), album = library_album(l, "a");

	library_content(l, file, 5);
	assert_int_equal(library_pair(l, tag, file, "x", NULL), 0);
	assert_int_equal(library_pair(l, tag, other, "y", NULL), 0);
	assert_int_equal(library_pair(l, album, file, "x", NULL), 0);
	assert_int_equal(library_pair(l, COLLECTION_FAVORITES_ID, other, "y", NULL), 0);
	library_tag(l, "empty");
}

static void test_two_become_equal(void **state)
{
	struct library *l = *state;

	fill(&l[0]);
	library_tag(&l[1], "t"); /* the same tag, made here as well */
	library_tag(&l[1], "only here");
	assert_int_equal(carry(&l[0], &l[1], REGISTERS_ALL, WHOLE), 1);
	assert_int_equal(carry(&l[1], &l[0], REGISTERS_ALL, WHOLE), 1);
	assert_equal(&l[0], &l[1], REGISTERS_ALL);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM tagged"), 4);
	assert_int_equal(step_number(l[0].store, "SELECT count(*) FROM collection WHERE name = 't'"), 1);
	library_assert_clean(&l[0]);
	library_assert_clean(&l[1]);
}

static void test_in_small_pieces(void **state)
{
	struct library *l = *state;
	char name[16];

	fill(&l[0]);
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "tag %d", i);
		library_tag(&l[0], name);
	}
	assert_true(carry(&l[0], &l[1], REGISTERS_ALL, REGISTERS_ROW_MAX) > 60);
	carry(&l[1], &l[0], REGISTERS_OF(MODEL_DEVICE), REGISTERS_ROW_MAX);
	assert_equal(&l[0], &l[1], REGISTERS_ALL);
}

static void test_only_the_kinds_that_were_asked_for(void **state)
{
	struct library *l = *state;

	fill(&l[0]);
	assert_int_equal(carry(&l[0], &l[1], REGISTERS_OF(MODEL_DEVICE), WHOLE), 1);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM device WHERE member = 1"), 2);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection"), 1);
	carry(&l[0], &l[1], REGISTERS_OF(MODEL_TAGGING) | REGISTERS_OF(MODEL_METADATA), WHOLE);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM pair"), 3);
	/* The tag is a stub, in which nothing was written: it does not travel on. */
	carry(&l[1], &l[2], REGISTERS_ALL, WHOLE);
	assert_int_equal(step_number(l[2].store, "SELECT count(*) FROM collection WHERE live_at <> x''"), 0);
}

/* A device that joins has no row of its own until the member that lets it in tells. */
static void test_joining(void **state)
{
	struct library *l = *state;
	_cleanup_(free_ptr) char *dir = scratch_path(&l[0].scratch, "joined.sdlibrary");
	const struct store_create_opts opts = {.library_name = "Test", .library = uuid_random(), .joins = true};
	struct library joiner = {.dir = dir};
	uint8_t theirs[MODEL_DISCOVERY_LEN], ours[MODEL_DISCOVERY_LEN];
	struct registers_cursor cursor = {0};
	struct registers none = REGISTERS_INIT;

	assert_int_equal(key_generate(&joiner.key), 0);
	assert_int_equal(store_create(dir, &opts, joiner.key), 0);
	assert_int_equal(store_open(dir, joiner.key, &joiner.store), 0);
	assert_int_equal(device_is_member(library_db(&joiner), &store_info(joiner.store)->device), 0);
	assert_int_equal(registers_read(library_db(&joiner), REGISTERS_ALL, WHOLE, &cursor, &none), 1);
	assert_int_equal(none.set.count, 0);
	registers_release(&none);
	carry(&l[0], &joiner, REGISTERS_OF(MODEL_DEVICE), WHOLE);
	assert_int_equal(device_is_member(library_db(&joiner), &store_info(joiner.store)->device), 0);
	assert_int_equal(device_is_member(library_db(&joiner), &store_info(l[0].store)->device), 1);
	assert_int_equal(device_discovery_key(library_db(&l[0]), theirs), 0);
	assert_int_equal(device_discovery_key(library_db(&joiner), ours), 0);
	assert_memory_equal(theirs, ours, sizeof(ours));
	library_assert_clean(&joiner);
	store_close(joiner.store);
	key_free(joiner.key);
}

/* --- random registers: few records, many writers, all fields on their own --- */

enum { RANDOM_ROUNDS = 25, RANDOM_LISTS = 24, RANDOM_KEYS = 3 };

static uint8_t random_keys[RANDOM_KEYS][KEY_PUBLIC_LEN];

/* One stamp writes one value, as in life. */
static void put_random(struct registers *registers, const struct model *model, unsigned field, unsigned key)
{
	const struct stamp stamp = {.hlc = (clock_wall_ms() << 16 & ~UINT64_C(0xffffffff)) + 1 + random_below(6),
				    .device = {{(uint8_t)random_below(3)}}};
	unsigned what = (unsigned)(stamp.hlc % 7) * 3 + stamp.device.bytes[0];
	uint8_t bytes[32];
	char name[16];
	int r;

	memset(bytes, (int)what, sizeof(bytes));
	snprintf(name, sizeof(name), "name %u", what % 4);
	if (model->fields[field].type == FIELD_BOOL)
		r = registers_put_number(registers, field, what & 1, &stamp);
	else if (model->fields[field].type != FIELD_BYTES)
		r = registers_put_bytes(registers, field, name, strlen(name), &stamp);
	else if (model->kind == MODEL_DEVICE && field == DEVICE_PUBLIC_KEY)
		r = registers_put_bytes(registers, field, random_keys[key], KEY_PUBLIC_LEN, &stamp);
	else
		r = registers_put_bytes(registers, field, bytes, model->fields[field].max_len, &stamp);
	assert_int_equal(r, 0);
}

static void add_random(struct registers *registers)
{
	static const enum model_kind kinds[] = {MODEL_DEVICE, MODEL_TAG, MODEL_TAGGING, MODEL_ALBUM, MODEL_ALBUM_ITEM};
	const struct model *model = model_find(kinds[random_below(5)]);
	unsigned key = random_below(RANDOM_KEYS), first = random_below(model->field_count);
	struct uuid key0 = key_id_of_public(random_keys[key]);
	struct uuid entry = uuid_entry(UINT64_C(0x7111111111118111), random_below(3));

	assert_int_equal(registers_add(registers, model->kind, &key0, model->key_parts == 2 ? &entry : NULL), 0);
	put_random(registers, model, first, key);
	for (unsigned field = 0; field < model->field_count; field++)
		if (field != first && random_below(2))
			put_random(registers, model, field, key);
}

static void merge_shuffled(struct library *l, struct registers lists[RANDOM_LISTS])
{
	unsigned order[RANDOM_LISTS];

	for (unsigned i = 0; i < RANDOM_LISTS; i++) {
		unsigned k = random_below(i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	for (unsigned i = 0; i < RANDOM_LISTS; i++) {
		assert_int_equal(merge(l, &lists[order[i]]), 0);
		if (random_below(3) == 0) /* again, or one that is old by now */
			assert_int_equal(merge(l, &lists[order[random_below(i + 1)]]), 0);
	}
}

static void assert_shared_equal(struct library *a, struct library *b)
{
	carry(a, b, REGISTERS_OF(MODEL_DEVICE), WHOLE); /* each has a row of its own, which the other lacks */
	carry(b, a, REGISTERS_OF(MODEL_DEVICE), WHOLE);
	assert_equal(a, b, REGISTERS_ALL);
}

static void test_any_order_gives_the_same_rows(void **state)
{
	struct library *l = *state;

	random_bytes(random_keys, sizeof(random_keys));
	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		struct registers lists[RANDOM_LISTS];

		for (size_t i = 0; i < RANDOM_LISTS; i++) {
			lists[i] = REGISTERS_INIT;
			add_random(&lists[i]);
		}
		for (int i = 0; i < 3; i++)
			merge_shuffled(&l[i], lists);
		assert_shared_equal(&l[0], &l[1]);
		assert_shared_equal(&l[1], &l[2]);
		for (size_t i = 0; i < RANDOM_LISTS; i++)
			registers_release(&lists[i]);
	}
	for (int i = 0; i < 3; i++)
		library_assert_clean(&l[i]);
}

/* --- the clock --- */

static void one_tag(struct registers *registers, const char *name, uint64_t ms)
{
	const struct stamp stamp = {.hlc = ms << 16, .device = {{7}}};
	const struct uuid key = {{1, 2, 3}};

	assert_int_equal(registers_add(registers, MODEL_TAG, &key, NULL), 0);
	assert_int_equal(registers_put_bytes(registers, COLLECTION_NAME, name, strlen(name), &stamp), 0);
	assert_int_equal(registers_put_number(registers, COLLECTION_LIVE, 1, &stamp), 0);
}

static void test_too_far_ahead_is_not_merged(void **state)
{
	struct library *l = *state;
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	uint64_t before = l->store->clock.last;

	one_tag(&registers, "future", clock_wall_ms() + HLC_AHEAD_MAX_MS + 60000);
	assert_int_equal(merge(l, &registers), -ERR_AHEAD);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM collection WHERE name = 'future'"), 0);
	assert_int_equal(l->store->clock.last, before);
}

static void test_the_clock_is_found_again(void **state)
{
	struct library *l = *state;
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	uint64_t ms = clock_wall_ms() + HLC_AHEAD_MAX_MS / 2;

	one_tag(&registers, "soon", ms);
	assert_int_equal(merge(l, &registers), 0);
	assert_true(l->store->clock.last >= ms << 16);
	library_reopen(l);
	assert_true(l->store->clock.last >= ms << 16);
	/* So a change of this device wins over what it has seen, though its clock is behind. */
	assert_int_equal(step_number(l->store, "SELECT live FROM collection WHERE name = 'soon'"), 1);
	assert_int_equal(step_device_rename(l->store, 1, "later"), 0);
	assert_int_equal(step_number(l->store, "SELECT name_at > (SELECT live_at FROM collection WHERE name = 'soon')"
					       " FROM device WHERE id = 1"),
			 1);
}

static void test_a_forged_device_is_refused(void **state)
{
	struct library *l = *state;
	_cleanup_(registers_release) struct registers registers = REGISTERS_INIT;
	const struct stamp stamp = {.hlc = clock_wall_ms() << 16};
	const struct uuid claimed = {{1}};

	assert_int_equal(registers_add(&registers, MODEL_DEVICE, &claimed, NULL), 0);
	assert_int_equal(
	    registers_put_bytes(&registers, DEVICE_PUBLIC_KEY, key_public(l[1].key), KEY_PUBLIC_LEN, &stamp), 0);
	assert_int_equal(merge(l, &registers), -ERR_MALFORMED);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM device"), 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* --- equal stamps --- */

struct naming {
	struct change_set set;
	struct stamp stamp;
};

static int apply_naming(struct txn *txn, void *arg)
{
	const struct naming *n = arg;

	return apply_change_set(txn, &n->set, &n->stamp);
}

static void name_tag(struct library *l, const struct stamp *stamp, const struct uuid *tag, const char *name, uint64_t live)
{
	struct naming n = {.set = CHANGE_SET_INIT, .stamp = *stamp};
	struct change *change;

	assert_int_equal(change_set_add(&n.set, MODEL_TAG, tag, NULL, &change), 0);
	assert_int_equal(change_put_bytes(&n.set, change, COLLECTION_NAME, name, strlen(name)), 0);
	assert_int_equal(change_put_number(change, COLLECTION_LIVE, live), 0);
	assert_int_equal(library_write(l, apply_naming, &n), 0);
	change_set_release(&n.set);
}

/* Two histories of one origin may have given one stamp twice: whoever hears of them in which order, all agree. */
static void test_equal_stamps(void **state)
{
	struct library *l = *state;
	const struct stamp stamp = {.hlc = UINT64_C(1000) << 16, .device = uuid_random()};
	const struct uuid tag = uuid_random();

	name_tag(&l[0], &stamp, &tag, "sun", 1);
	name_tag(&l[0], &stamp, &tag, "sunday", 0);
	name_tag(&l[1], &stamp, &tag, "sunday", 0);
	name_tag(&l[1], &stamp, &tag, "sun", 1);
	assert_equal(&l[0], &l[1], REGISTERS_OF(MODEL_TAG));
	assert_int_equal(step_number(l[0].store, "SELECT count(*) FROM collection WHERE name = 'sunday' AND live = 1"), 1);
	assert_int_equal(step_number(l[0].store, "SELECT digest FROM library"), step_number(l[1].store, "SELECT digest FROM library"));
	library_assert_clean(&l[0]);
	library_assert_clean(&l[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_two_become_equal),
	    TEST(test_equal_stamps),
	    TEST(test_in_small_pieces),
	    TEST(test_only_the_kinds_that_were_asked_for),
	    TEST(test_joining),
	    TEST(test_any_order_gives_the_same_rows),
	    TEST(test_too_far_ahead_is_not_merged),
	    TEST(test_the_clock_is_found_again),
	    TEST(test_a_forged_device_is_refused),
	};

	return cmocka_run_group_tests_name("registers", tests, NULL, NULL);
}
