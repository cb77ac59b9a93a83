/* The anchor: its bytes, its verdicts, and what it finds of a database that was set back, copied or moved. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/anchor.h"
#include "store/epoch.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "sync/model.h"
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

/* --- bytes --- */

static void sample(struct anchor *ret_anchor)
{
	*ret_anchor = (struct anchor){
	    .library = {{1}},
	    .device = {{2}},
	    .epoch = 77,
	    .seq = 300,
	    .hash = {9, 8, 7},
	    .versions = {1, 2, 3},
	    .hlc = UINT64_C(1760000000000) << 16,
	    .file = {.dev = 5, .ino = UINT64_MAX, .btime_ns = -3},
	    .dir = strdup("/home/me/L\xff.sdlibrary"),
	};
}

static int decode(const void *bytes, size_t len)
{
	_cleanup_(anchor_release) struct anchor anchor = ANCHOR_INIT;

	return anchor_decode(bytes, len, &anchor);
}

static void test_round_trip(void **state)
{
	_cleanup_(anchor_release) struct anchor anchor = ANCHOR_INIT, back = ANCHOR_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	sample(&anchor);
	assert_int_equal(anchor_encode(&anchor, &bytes), 0);
	assert_int_equal(anchor_decode(bytes.data, bytes.len, &back), 0);
	assert_true(anchor_equal(&anchor, &back));
	back.versions[2]++;
	assert_false(anchor_equal(&anchor, &back));
}

static void test_anything_else_is_malformed(void **state)
{
	_cleanup_(anchor_release) struct anchor anchor = ANCHOR_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;
	static const uint8_t zeros[ANCHOR_BYTES_MAX + 1];

	sample(&anchor);
	assert_int_equal(anchor_encode(&anchor, &bytes), 0);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(decode(bytes.data, len), -ERR_MALFORMED);
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 0x10;
		assert_int_equal(decode(bytes.data, bytes.len), -ERR_MALFORMED);
		bytes.data[i] ^= 0x10;
	}
	assert_int_equal(decode(zeros, sizeof(zeros)), -ERR_MALFORMED);
}

static void test_too_long_a_path(void **state)
{
	_cleanup_(anchor_release) struct anchor anchor = ANCHOR_INIT;
	_cleanup_(buf_release) struct buf bytes = BUF_INIT;

	anchor.dir = malloc(ANCHOR_BYTES_MAX + 1);
	memset(anchor.dir, 'x', ANCHOR_BYTES_MAX);
	anchor.dir[ANCHOR_BYTES_MAX] = '\0';
	assert_int_equal(anchor_encode(&anchor, &bytes), -ERR_TOO_LARGE);
	assert_int_equal(bytes.len, 0);
}

/* --- verdicts --- */

static const struct anchor_held all_of_it = {
    .epoch = true, .seq = 300, .hash = true, .hash_equal = true, .versions = {1, 2, 3}};

static void test_verdicts(void **state)
{
	_cleanup_(anchor_release) struct anchor kept = ANCHOR_INIT, now = ANCHOR_INIT;
	struct anchor_held held = all_of_it;

	sample(&kept);
	sample(&now);
	assert_int_equal(anchor_compare(NULL, &now, &held, false), ANCHOR_NONE);
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_SAME);
	now.dir[1] = 'x';
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_MOVED);
	now.file.ino = 4;
	assert_int_equal(anchor_compare(&kept, &now, &held, false), ANCHOR_MOVED);
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_COPIED);
	held.seq = 299; /* also of an older copy: the original is the one to use */
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_COPIED);
	assert_int_equal(anchor_compare(&kept, &now, &held, false), ANCHOR_REWOUND);
	held = all_of_it;
	now.device.bytes[0]++;
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_NONE);
}

static void test_each_way_to_be_rewound(void **state)
{
	_cleanup_(anchor_release) struct anchor kept = ANCHOR_INIT, now = ANCHOR_INIT;
	struct anchor_held held = all_of_it;

	sample(&kept);
	sample(&now);
	held.seq = 400; /* the anchor lags */
	held.versions[0] = 9;
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_SAME);
	held.hash_equal = false;
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_REWOUND);
	held.hash = false; /* it was cut: nothing is known */
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_SAME);
	held.versions[1] = 1;
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_REWOUND);
	held = all_of_it;
	held.epoch = false;
	assert_int_equal(anchor_compare(&kept, &now, &held, true), ANCHOR_REWOUND);
}

/* --- of a real store --- */

static void take(struct library *l, struct anchor *ret_anchor)
{
	struct anchor_file file;

	assert_int_equal(anchor_identify(l->store, &file), 0);
	assert_int_equal(anchor_of_store(l->store, &file, l->dir, ret_anchor), 0);
}

static enum anchor_verdict verdict(struct library *l, const struct anchor *kept)
{
	_cleanup_(anchor_release) struct anchor now = ANCHOR_INIT;
	struct anchor_held held;

	take(l, &now);
	assert_int_equal(anchor_look_up(l->store, kept, &held), 0);
	return anchor_compare(kept, &now, &held, anchor_original_stands(kept));
}

static int do_cut(struct txn *txn, void *arg)
{
	return oplog_cut(txn);
}

static void test_an_anchor_that_lags(void **state)
{
	struct library *l = *state;
	_cleanup_(anchor_release) struct anchor kept = ANCHOR_INIT;
	struct anchor_held held;

	/* A second member keeps the log from being cut. */
	assert_int_equal(step_sql(l->store, "INSERT INTO device (uuid, name, member) VALUES (x'00', 'other', 1)"), 0);
	library_tag(l, "a");
	take(l, &kept);
	assert_true(kept.seq >= 2);
	assert_true(kept.hlc > 0);
	assert_true(anchor_original_stands(&kept));
	assert_int_equal(verdict(l, &kept), ANCHOR_SAME);
	library_tag(l, "b");
	library_tag(l, "c");
	assert_int_equal(anchor_look_up(l->store, &kept, &held), 0);
	assert_true(held.epoch && held.hash && held.hash_equal);
	assert_int_equal(held.seq, kept.seq + 2);
	assert_int_equal(verdict(l, &kept), ANCHOR_SAME);
	kept.hash[0] ^= 1;
	assert_int_equal(verdict(l, &kept), ANCHOR_REWOUND);
	kept.hash[0] ^= 1;
	assert_int_equal(step_sql(l->store, "UPDATE device SET member = 0 WHERE uuid = x'00'"), 0);
	assert_int_equal(library_write(l, do_cut, NULL), 0);
	assert_int_equal(anchor_look_up(l->store, &kept, &held), 0);
	assert_false(held.hash);
	assert_int_equal(verdict(l, &kept), ANCHOR_SAME);
}

/* Files of the scratch folder; the store is closed before. */
static void copy_file(struct library *l, const char *from, const char *to)
{
	char command[3 * PATH_MAX];

	store_close(l->store);
	l->store = NULL;
	snprintf(command, sizeof(command), "cp '%s/%s' '%s/%s'", l->scratch.path, from, l->scratch.path, to);
	assert_int_equal(system(command), 0);
}

static void reopen(struct library *l)
{
	assert_int_equal(store_open(l->dir, l->key, &l->store), 0);
}

static void test_set_back(void **state)
{
	struct library *l = *state;
	_cleanup_(anchor_release) struct anchor kept = ANCHOR_INIT;

	copy_file(l, "test.sdlibrary/database.db", "saved.db");
	reopen(l);
	library_tag(l, "lost");
	take(l, &kept);
	copy_file(l, "saved.db", "test.sdlibrary/database.db");
	reopen(l);
	assert_int_equal(verdict(l, &kept), ANCHOR_REWOUND);
}

/* No shared change was lost, but entries were: peers hold more of the state stream. */
static void test_set_back_in_entries_alone(void **state)
{
	struct library *l = *state;
	_cleanup_(anchor_release) struct anchor kept = ANCHOR_INIT;
	int64_t location = library_location(l, "pics");

	library_file(l, location, library_root(l, location), "x", 3);
	take(l, &kept);
	assert_int_equal(kept.versions[MODEL_LOCATION - MODEL_LOCATION], 1);
	assert_int_equal(kept.versions[MODEL_ENTRY - MODEL_LOCATION], 2);
	assert_int_equal(step_sql(l->store, "UPDATE stream SET position = 1 WHERE kind = 17"), 0);
	assert_int_equal(verdict(l, &kept), ANCHOR_REWOUND);
}

static void test_copied_and_moved(void **state)
{
	struct library *l = *state;
	_cleanup_(anchor_release) struct anchor kept = ANCHOR_INIT;
	_cleanup_(free_ptr) char *copy = scratch_path(&l->scratch, "copy.sdlibrary");
	_cleanup_(free_ptr) char *aside = scratch_path(&l->scratch, "aside");
	char *original = l->dir;

	take(l, &kept);
	assert_int_equal(mkdir(copy, 0700), 0);
	copy_file(l, "test.sdlibrary/database.db", "copy.sdlibrary/database.db");
	l->dir = copy;
	reopen(l);
	assert_int_equal(verdict(l, &kept), ANCHOR_COPIED);
	/* Once the original is gone the copy is the library. */
	assert_int_equal(rename(original, aside), 0);
	assert_int_equal(verdict(l, &kept), ANCHOR_MOVED);
	/* The original itself, under another name. */
	store_close(l->store);
	l->dir = aside;
	reopen(l);
	assert_int_equal(verdict(l, &kept), ANCHOR_MOVED);
	l->dir = original;
}

/* --- epochs --- */

struct beginning {
	uint64_t least_hlc;
	bool fail;
};

static int do_begin(struct txn *txn, void *arg)
{
	const struct beginning *beginning = arg;
	int r = store_new_epoch(txn, beginning->least_hlc);

	return r == 0 && beginning->fail ? -ECANCELED : r;
}

/* How far a stream of the present epoch has come; kind 0 is the log. */
static int64_t position(struct library *l, int kind)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
		 kind == 0 ? "SELECT position FROM shared_stream WHERE epoch = %lld"
			   : "SELECT s.position FROM stream s JOIN origin o ON o.id = s.origin WHERE o.epoch = %lld AND s.kind = %d",
		 (long long)store_info(l->store)->epoch, kind);
	return step_number(l->store, sql);
}

static void test_new_epoch(void **state)
{
	struct library *l = *state;
	_cleanup_(anchor_release) struct anchor kept = ANCHOR_INIT, now = ANCHOR_INIT;
	int64_t location = library_location(l, "pics"), root = library_root(l, location), file, entries;
	uint64_t old_epoch = store_info(l->store)->epoch, started;

	library_file(l, location, root, "old", 3);
	library_tag(l, "before");
	take(l, &kept);
	entries = position(l, MODEL_ENTRY);
	started = kept.hlc + (UINT64_C(60000) << 16); /* what the lost state had seen */
	assert_int_equal(library_write(l, do_begin, &(struct beginning){.least_hlc = started}), 0);
	assert_true(store_info(l->store)->epoch != old_epoch);
	assert_int_equal(position(l, 0), 0);
	assert_int_equal(position(l, MODEL_ENTRY), entries);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM stream WHERE origin = 1"), 0);
	assert_true((uint64_t)step_number(l->store, "SELECT max(started) FROM origin") > started);
	assert_int_equal(verdict(l, &kept), ANCHOR_SAME); /* the old one is still there, whole */

	/* What is written now belongs to the new one. */
	library_tag(l, "after");
	assert_int_equal(position(l, 0), 1);
	file = library_file(l, location, root, "new", 3);
	assert_int_equal(position(l, MODEL_ENTRY), entries + 1);
	assert_true(step_number(l->store, "SELECT max(seq) FROM entry") >= INT64_C(1) << 32);
	assert_true(file > 0);
	library_reopen(l);
	take(l, &now);
	assert_int_equal(now.epoch, store_info(l->store)->epoch);
	assert_true(now.epoch != old_epoch);
	assert_int_equal(now.seq, 1);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM origin"), 2);
	library_assert_clean(l);
}

static void test_an_epoch_that_is_rolled_back(void **state)
{
	struct library *l = *state;
	uint64_t epoch = store_info(l->store)->epoch;
	int64_t before = position(l, 0);

	assert_int_equal(library_write(l, do_begin, &(struct beginning){.fail = true}), -ECANCELED);
	assert_true(store_info(l->store)->epoch == epoch);
	library_tag(l, "t");
	assert_int_equal(position(l, 0), before + 1);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM origin"), 1);
}

/* One transaction may end an epoch and write in the next one: versions of both are kept apart. */
static int do_across(struct txn *txn, void *arg)
{
	int64_t version;
	int r = txn_next_version(txn, MODEL_AUDIT, &version);

	if (r == 0)
		r = store_new_epoch(txn, 0);
	if (r == 0)
		r = txn_next_version(txn, MODEL_AUDIT, arg);
	return r;
}

static void test_across_epochs_in_one_transaction(void **state)
{
	struct library *l = *state;
	int64_t before = position(l, MODEL_AUDIT), version = 0;

	assert_int_equal(library_write(l, do_across, &version), 0);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM stream WHERE origin = 1"), 0);
	assert_int_equal(version, before + 2);
	assert_int_equal(position(l, MODEL_AUDIT), version);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_anything_else_is_malformed),
	    cmocka_unit_test(test_too_long_a_path),
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_each_way_to_be_rewound),
	    TEST(test_an_anchor_that_lags),
	    TEST(test_set_back),
	    TEST(test_set_back_in_entries_alone),
	    TEST(test_copied_and_moved),
	    TEST(test_new_epoch),
	    TEST(test_an_epoch_that_is_rolled_back),
	    TEST(test_across_epochs_in_one_transaction),
	};

	return cmocka_run_group_tests_name("anchor", tests, NULL, NULL);
}
