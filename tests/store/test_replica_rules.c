/* What a replica refuses, holds, lists anew, purges and announces; snapshots and epochs. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "tests/store/exchange.h"
#include "tests/store/heard.h"
#include "tests/store/steps.h"

enum { COUNT = 3 };

static int setup(void **state)
{
	struct library *l = calloc(COUNT, sizeof(*l));

	for (int i = 0; i < COUNT; i++)
		library_init(&l[i]);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct library *l = *state;

	for (int i = 0; i < COUNT; i++)
		library_release(&l[i]);
	free(l);
	return 0;
}

/* All of a stream of `l` after what `held` says, in one piece. */
static void take(struct library *l, const struct stream *held, struct piece *ret_piece)
{
	struct range_request q = exchange_request(held, RANGE_ROWS_MAX);

	assert_int_equal(exchange_read(l, &q, ret_piece), 0);
}

static void take_own(struct library *l, uint8_t kind, struct piece *ret_piece)
{
	struct stream own = exchange_own(l, kind), none = stream_none(&own.id, own.started);

	take(l, &none, ret_piece);
}

/* --- refused and held --- */

static void test_rows_of_another_owner(void **state)
{
	struct library *l = *state;
	_cleanup_(piece_release) struct piece locations = {.body = BUF_INIT}, entries = {.body = BUF_INIT};
	int64_t location = library_location(&l[0], "pics");

	library_file(&l[0], location, library_root(&l[0], location), "x", 1);
	take_own(&l[0], MODEL_LOCATION, &locations);
	take_own(&l[0], MODEL_ENTRY, &entries);
	assert_int_equal(exchange_apply(&l[1], &locations, NULL), 0);
	locations.range.stream.origin = entries.range.stream.origin = exchange_own(&l[2], STREAM_LOG).id.origin;
	assert_int_equal(exchange_apply(&l[1], &locations, NULL), -ERR_MALFORMED);
	assert_int_equal(exchange_apply(&l[1], &entries, NULL), -ERR_MALFORMED);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry"), 1); /* the stub of the root */
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM origin"), 2);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM stream"), 5);
	/* Nor does anybody tell this device about its own rows. */
	assert_int_equal(
	    exchange_apply(&l[0], &(struct piece){.range = {.stream = exchange_own(&l[0], MODEL_ENTRY).id}}, NULL),
	    -ERR_STALE);
}

static void test_logs_that_do_not_connect(void **state)
{
	struct library *l = *state;
	_cleanup_(piece_release) struct piece first = {.body = BUF_INIT}, second = {.body = BUF_INIT};
	struct stream s;

	library_tag(&l[0], "a");
	take_own(&l[0], STREAM_LOG, &first);
	s = exchange_own(&l[0], STREAM_LOG);
	library_tag(&l[0], "b");
	take(&l[0], &s, &second);
	assert_int_equal(exchange_apply(&l[1], &second, NULL), -ERR_STALE); /* a hole */
	first.range.hash[0] ^= 1;
	assert_int_equal(exchange_apply(&l[1], &first, NULL), -ERR_FORKED);
	first.range.hash[0] ^= 1;
	assert_int_equal(exchange_apply(&l[1], &first, NULL), 0);
	second.range.hash[5] ^= 1;
	assert_int_equal(exchange_apply(&l[1], &second, NULL), -ERR_FORKED);
	second.range.hash[5] ^= 1;
	second.body.data[second.body.len - 1] ^= 0xff;
	assert_true(exchange_apply(&l[1], &second, NULL) < 0);
	second.body.data[second.body.len - 1] ^= 0xff;
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE kind = 1"), 1);
	assert_int_equal(exchange_apply(&l[1], &second, NULL), 0);
	assert_int_equal(exchange_apply(&l[1], &first, NULL), 0); /* again: nothing */
	assert_int_equal(exchange_apply(&l[1], &second, NULL), 0);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE kind = 1"), 2);
	exchange_assert_digests(&l[1]);
	/* Whoever asks with another hash hears of it. */
	s.hash[0] ^= 1;
	assert_int_equal(
	    exchange_read(&l[1],
			  &(struct range_request){
			      .stream = s.id, .since = s.position, .max_rows = 1, .max_bytes = 1000, .hash = {9}},
			  &(struct piece){.body = BUF_INIT}),
	    -ERR_FORKED);
}

static void test_too_far_ahead_is_held(void **state)
{
	struct library *l = *state;
	_cleanup_(piece_release) struct piece piece = {.body = BUF_INIT};
	struct applied applied = {.held_hlc = 0};

	library_tag(&l[0], "now");
	take_own(&l[0], STREAM_LOG, &piece);
	assert_int_equal(
	    store_replica.apply(l[1].store, &piece.range, clock_wall_ms() - HLC_AHEAD_MAX_MS - 60000, &applied), 0);
	assert_true(applied.held_hlc > 0);
	assert_int_equal(applied.stream.position, 0);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE kind = 1"), 0);
	assert_int_equal(exchange_apply(&l[1], &piece, &applied), 0);
	assert_int_equal(applied.held_hlc, 0);
	assert_true(applied.members_changed);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM tagged"), 0);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE kind = 1"), 1);
}

/* --- order of arrival --- */

/* One row in each piece, children before parents: a directory that was renamed has a later version than what is in it.
 */
static void test_rows_before_what_they_hang_on(void **state)
{
	struct library *l = *state;
	struct stream entries, locations;
	int64_t location = library_location(&l[0], "pics"), root = library_root(&l[0], location);
	int64_t dir = library_dir(&l[0], location, root, "dir"), sub = library_dir(&l[0], location, dir, "sub");

	library_file(&l[0], location, sub, "deep", 1);
	assert_int_equal(step_move(l[0].store, sub, dir, "renamed"), 0);
	assert_int_equal(step_move(l[0].store, dir, root, "also"), 0);
	entries = exchange_own(&l[0], MODEL_ENTRY);
	locations = exchange_own(&l[0], MODEL_LOCATION);
	assert_int_equal(exchange_pull(&l[0], &l[1], &entries, 1), 4);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM files"), 0); /* whose location is a stub */
	exchange_pull(&l[0], &l[1], &locations, 1);
	exchange_all(&l[0], &l[1], 100);
	assert_int_equal(
	    step_number(l[1].store, "SELECT count(*) FROM files WHERE path = '/laptop/pics/also/renamed/deep'"), 1);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry"), 4);
	exchange_all(&l[1], &l[0], 100);
	exchange_assert_equal(&l[0], &l[1]);
	library_assert_clean(&l[1]);
}

static void test_any_order_and_again(void **state)
{
	struct library *l = *state;
	struct piece pieces[24];
	struct stream entries = stream_none(&(struct stream_id){.kind = 0}, 0), at;
	unsigned count = 0, seed = 7;
	int64_t location = library_location(&l[0], "pics"), root = library_root(&l[0], location);
	char name[16];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		library_file(&l[0], location, root, name, (uint64_t)i);
	}
	entries = exchange_own(&l[0], MODEL_ENTRY);
	at = stream_none(&entries.id, entries.started);
	do {
		struct range_request q = exchange_request(&at, 3);

		assert_int_equal(exchange_read(&l[0], &q, &pieces[count]), 0);
		at.position = pieces[count].range.upto;
		at.base = pieces[count].range.head;
	} while (pieces[count++].range.upto < entries.position);
	for (int i = 0; i < 300; i++) {
		int r;

		seed = seed * 1103515245 + 12345;
		r = exchange_apply(&l[1], &pieces[(seed >> 16) % count], NULL);
		assert_true(r == 0 || r == -ERR_STALE);
	}
	for (unsigned i = 0; i < count; i++)
		piece_release(&pieces[i]);
	exchange_all(&l[0], &l[1], 7);
	exchange_all(&l[1], &l[0], 7);
	exchange_assert_equal(&l[0], &l[1]);
}

/* --- lists and purges --- */

static void test_purged_and_swept(void **state)
{
	struct library *l = *state;
	int64_t location = library_location(&l[0], "pics"), root = library_root(&l[0], location);
	int64_t keep = library_file(&l[0], location, root, "keep", 1),
		gone = library_file(&l[0], location, root, "gone", 2), id;
	struct stream s, held;

	exchange_all(&l[0], &l[1], 100);
	id = step_number(l[1].store, "SELECT id FROM entry WHERE name = 'keep'");
	library_delete(&l[0], gone);
	s = exchange_own(&l[0], MODEL_ENTRY);
	while (store_replica.cut(l[0].store, &s.id, s.position) == 1)
		;
	assert_int_equal(step_number(l[0].store, "SELECT count(*) FROM entry"), 2);
	assert_int_equal(step_number(l[0].store, "SELECT count(*) FROM local_entry"), 2);
	assert_int_equal(exchange_own(&l[0], MODEL_ENTRY).floor, s.position);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry WHERE deleted = 0"), 3);
	exchange_pull(&l[0], &l[1], &s, 1); /* from below the floor: a list, which lacks it */
	held = exchange_held(&l[1], &s.id, s.started);
	assert_false(held.listing);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry"), 2);
	assert_int_equal(step_number(l[1].store, "SELECT id FROM entry WHERE name = 'keep'"), id);
	assert_true(held.digest == exchange_own(&l[0], MODEL_ENTRY).digest);
	assert_true(keep > 0);
	exchange_assert_digests(&l[1]);
}

/* Rows that went wrong are put right, and the others keep their ids. */
static void test_relist(void **state)
{
	struct library *l = *state;
	int64_t location = library_location(&l[0], "pics"), root = library_root(&l[0], location), ids;
	struct stream s;

	library_file(&l[0], location, library_dir(&l[0], location, root, "d"), "x", 1);
	exchange_all(&l[0], &l[1], 100);
	ids = step_number(l[1].store, "SELECT group_concat(id, '') FROM (SELECT id FROM entry ORDER BY seq)");
	assert_int_equal(step_sql(l[1].store,
				  "UPDATE entry SET size = 77, version = version + 100 WHERE name = 'x';"
				  "INSERT INTO entry (location, seq, parent, name, mode, size, mtime_ns, version)"
				  " SELECT id, 5000, root, 'never', 33188, 1, 1, 2 FROM location"),
			 0);
	s = exchange_own(&l[0], MODEL_ENTRY);
	assert_int_equal(store_replica.relist(l[1].store, &s.id), 0);
	exchange_pull(&l[0], &l[1], &s, 1);
	exchange_assert_digests(&l[1]); /* the kept sum was wrong as well */
	assert_true(exchange_held(&l[1], &s.id, s.started).digest == s.digest);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry WHERE name = 'never'"), 0);
	assert_int_equal(step_number(l[1].store, "SELECT size FROM entry WHERE name = 'x'"), 1);
	assert_int_equal(
	    step_number(l[1].store, "SELECT group_concat(id, '') FROM (SELECT id FROM entry ORDER BY seq)"), ids);
	assert_int_equal(store_replica.read(l[1].store,
					    &(struct range_request){
						.stream = s.id, .since = s.position + 1, .max_rows = 1, .max_bytes = 1},
					    &(struct range){.since = 0}, NULL),
			 -ERR_STALE);
}

static void test_a_log_is_cut(void **state)
{
	struct library *l = *state;
	struct stream s, after;
	struct range_request q;
	struct piece piece;

	library_tag(&l[0], "a");
	library_tag(&l[0], "b");
	exchange_all(&l[0], &l[1], 100);
	s = exchange_own(&l[0], STREAM_LOG);
	assert_int_equal(store_replica.cut(l[1].store, &s.id, s.position - 1), 0);
	after = exchange_held(&l[1], &s.id, s.started);
	assert_int_equal(after.floor, s.position - 1);
	assert_memory_equal(after.hash, s.hash, HASH_LEN);
	exchange_assert_digests(&l[1]);
	q = exchange_request(&after, 10);
	q.since = 0;
	assert_int_equal(exchange_read(&l[1], &q, &piece), -ERR_CUT);
	piece_release(&piece);
	library_reopen(&l[1]);
	exchange_assert_digests(&l[1]);
	library_assert_clean(&l[1]);
}

/* --- snapshots --- */

static void carry_snapshot(struct library *from, struct library *to)
{
	_cleanup_(vector_release) struct vector all = VECTOR_INIT, covers = VECTOR_INIT;
	_cleanup_(buf_release) struct buf cursor = BUF_INIT;

	exchange_vector(from, &all);
	for (size_t i = 0; i < all.count; i++) {
		if (all.items[i].id.kind == STREAM_LOG)
			assert_int_equal(vector_set(&covers, &all.items[i]), 0);
	}
	do {
		_cleanup_(buf_release) struct buf rows = BUF_INIT, next = BUF_INIT;

		assert_int_equal(store_replica.snapshot_read(from->store, &cursor, 1, &rows, &next), 0);
		assert_int_equal(store_replica.snapshot_merge(to->store, rows.data, rows.len,
							      next.len > 0 ? NULL : &covers, clock_wall_ms()),
				 0);
		buf_clear(&cursor);
		assert_int_equal(buf_append(&cursor, next.data, next.len), 0);
	} while (cursor.len > 0);
}

static void test_snapshots_both_ways(void **state)
{
	struct library *l = *state;
	int64_t location = library_location(&l[0], "pics");
	char name[16];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "tag %d", i);
		library_pair(&l[0], library_tag(&l[0], name), library_root(&l[0], location), "pics", NULL);
		snprintf(name, sizeof(name), "tag %d", i + 20);
		library_tag(&l[1], name);
	}
	carry_snapshot(&l[0], &l[1]);
	carry_snapshot(&l[1], &l[0]);
	carry_snapshot(&l[0], &l[1]);
	exchange_assert_digests(&l[0]);
	exchange_assert_digests(&l[1]);
	exchange_all(&l[0], &l[1], 100);
	exchange_all(&l[1], &l[0], 100);
	exchange_assert_equal(&l[0], &l[1]);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE kind = 1"), 50);
	/* The log goes on behind what the snapshot covered. */
	library_tag(&l[0], "after");
	exchange_all(&l[0], &l[1], 100);
	exchange_assert_equal(&l[0], &l[1]);
	library_reopen(&l[1]);
	exchange_assert_equal(&l[0], &l[1]);
	library_assert_clean(&l[1]);
}

/* --- epochs --- */

static void test_a_new_epoch(void **state)
{
	struct library *l = *state;
	const struct epoch_request request = {.started_after = (clock_wall_ms() + 1000) << 16};
	int64_t location = library_location(&l[0], "pics"), id;
	struct stream old, now;
	struct piece late;

	library_file(&l[0], location, library_root(&l[0], location), "x", 1);
	library_tag(&l[0], "before");
	exchange_all(&l[0], &l[1], 100);
	id = step_number(l[1].store, "SELECT id FROM entry WHERE name = 'x'");
	old = exchange_own(&l[0], MODEL_ENTRY);
	take_own(&l[0], MODEL_ENTRY, &late);
	assert_int_equal(store_replica.new_epoch(l[0].store, &request, clock_wall_ms()), 0);
	now = exchange_own(&l[0], MODEL_ENTRY);
	assert_true(now.started > request.started_after);
	assert_int_equal(now.position, old.position);
	assert_true(now.digest == old.digest);
	library_tag(&l[0], "after");
	library_delete(&l[0], step_number(l[0].store, "SELECT id FROM entry WHERE name = 'x'"));
	exchange_all(&l[0], &l[1], 1);
	assert_int_equal(exchange_apply(&l[1], &late, NULL), -ERR_STALE);
	piece_release(&late);
	exchange_all(&l[1], &l[0], 1);
	exchange_assert_equal(&l[0], &l[1]);
	exchange_assert_digests(&l[0]);
	assert_int_equal(step_number(l[1].store, "SELECT id FROM entry WHERE name = 'x'"), id);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE kind = 1"), 2);
}

/* The clock was an hour ahead: what nobody else has is written again with present stamps. */
static void test_stamps_that_ran_ahead(void **state)
{
	struct library *l = *state;
	struct epoch_request request = {.started_after = 0};
	_cleanup_(vector_release) struct vector keep = VECTOR_INIT;
	struct stream s;
	uint64_t now = clock_wall_ms(), ahead = (now + 3600 * 1000) << 16;

	library_tag(&l[0], "known");
	exchange_all(&l[0], &l[1], 100);
	s = exchange_own(&l[0], STREAM_LOG);
	assert_int_equal(vector_set(&keep, &s), 0);
	l[0].store->clock.last = ahead;
	library_tag(&l[0], "ahead");
	assert_int_equal(
	    library_pair(&l[0], 2,
			 step_number(l[0].store, "SELECT 0") + library_root(&l[0], library_location(&l[0], "p")),
			 "link", NULL),
	    0);
	request.keep = &keep;
	request.ahead = true;
	assert_int_equal(store_replica.new_epoch(l[0].store, &request, now), 0);
	assert_true(l[0].store->clock.last < ahead);
	exchange_assert_digests(&l[0]);
	assert_int_equal(exchange_held(&l[0], &s.id, s.started).position, s.position);
	assert_memory_equal(exchange_held(&l[0], &s.id, s.started).hash, s.hash, HASH_LEN);
	library_reopen(&l[0]);
	assert_true(l[0].store->clock.last < ahead);
	exchange_assert_digests(&l[0]);
	exchange_all(&l[0], &l[1], 100);
	exchange_all(&l[1], &l[0], 100);
	exchange_assert_equal(&l[0], &l[1]);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM tagged"), 1);
	library_assert_clean(&l[0]);
}

/* A library that was set back, and changed before it heard of its lost life: others have more of its log, another history.
 * What was changed since is theirs by a new one; what both lives have is not written again. */
static void test_what_a_set_back_library_changed(void **state)
{
	struct library *l = *state;
	struct epoch_request request = {.started_after = 0};
	_cleanup_(vector_release) struct vector keep = VECTOR_INIT;
	struct stream s, lost;

	library_tag(&l[0], "known");
	exchange_all(&l[0], &l[1], 100);
	s = lost = exchange_own(&l[0], STREAM_LOG);
	lost.position += 5;
	lost.hlc++;
	assert_int_equal(vector_set(&keep, &lost), 0);
	library_tag(&l[0], "since");
	request.keep = &keep;
	assert_int_equal(store_replica.new_epoch(l[0].store, &request, clock_wall_ms()), 0);
	exchange_assert_digests(&l[0]);
	assert_int_equal(exchange_held(&l[0], &s.id, s.started).position, s.position);
	assert_memory_equal(exchange_held(&l[0], &s.id, s.started).hash, s.hash, HASH_LEN);
	s = exchange_own(&l[0], STREAM_LOG);
	assert_int_equal(s.position, 1);
	exchange_pull(&l[0], &l[1], &s, 10);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE name = 'since' AND live = 1"), 1);
	exchange_all(&l[0], &l[1], 100);
	exchange_all(&l[1], &l[0], 100);
	exchange_assert_equal(&l[0], &l[1]);
}

/* The same when the log was cut: the registers are written again. */
static void test_stamps_that_ran_ahead_and_were_cut(void **state)
{
	struct library *l = *state;
	struct epoch_request request = {.started_after = 0};
	_cleanup_(vector_release) struct vector keep = VECTOR_INIT;
	struct stream s = exchange_own(&l[0], STREAM_LOG), cut;
	uint64_t now = clock_wall_ms(), ahead = (now + 3600 * 1000) << 16;

	assert_int_equal(vector_set(&keep, &s), 0);
	l[0].store->clock.last = ahead;
	library_tag(&l[0], "ahead");
	cut = exchange_own(&l[0], STREAM_LOG);
	assert_int_equal(store_replica.cut(l[0].store, &cut.id, cut.position), 0);
	request.keep = &keep;
	request.ahead = true;
	assert_int_equal(store_replica.new_epoch(l[0].store, &request, now), 0);
	exchange_assert_digests(&l[0]);
	library_reopen(&l[0]);
	assert_true(l[0].store->clock.last < ahead);
	s = exchange_own(&l[0], STREAM_LOG);
	assert_int_equal(s.position, 2); /* name and mark of the tag */
	exchange_pull(&l[0], &l[1], &s, 10);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM collection WHERE name = 'ahead' AND live = 1"),
			 1);
}

/* --- notices --- */

static void test_what_is_announced(void **state)
{
	struct library *l = *state;
	int64_t location = library_location(&l[0], "pics"), root = library_root(&l[0], location), dir, file, device,
		there, at;
	struct heard heard;

	dir = library_dir(&l[0], location, root, "dir");
	exchange_all(&l[0], &l[1], 100);
	device = step_number(l[1].store, "SELECT device FROM location");
	there = step_number(l[1].store, "SELECT root FROM location");
	heard_init(&heard, l[1].store);
	file = library_file(&l[0], location, dir, "a", 1);
	exchange_all(&l[0], &l[1], 100);
	at = step_number(l[1].store, "SELECT id FROM entry WHERE name = 'dir'");
	heard_exactly(&heard, "listing e%d\n", (int)at);
	assert_int_equal(step_update(l[0].store, file, step_file(9)), 0);
	exchange_all(&l[0], &l[1], 100);
	heard_exactly(&heard, "attr e%d/a=e%d\n", (int)at, (int)at + 1);
	assert_int_equal(step_move(l[0].store, file, root, "b"), 0);
	exchange_all(&l[0], &l[1], 100);
	heard_exactly(&heard, "name e%d/a=e%d\nlisting e%d\nname e%d/b=e%d\nlinks e%d\n", (int)at, (int)at + 1,
		      (int)there, (int)there, (int)at + 1, (int)at + 1);
	library_delete(&l[0], file);
	exchange_all(&l[0], &l[1], 100);
	heard_exactly(&heard, "name e%d/b=e%d\n", (int)there, (int)at + 1);
	assert_int_equal(step_location_remove(l[0].store, location), 0);
	exchange_all(&l[0], &l[1], 100);
	heard_exactly(&heard, "name d%d/pics=e%d\nbelow e%d\n", (int)device, (int)there, (int)there);
	heard_release(&heard);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_rows_of_another_owner),
	    TEST(test_logs_that_do_not_connect),
	    TEST(test_too_far_ahead_is_held),
	    TEST(test_rows_before_what_they_hang_on),
	    TEST(test_any_order_and_again),
	    TEST(test_purged_and_swept),
	    TEST(test_relist),
	    TEST(test_a_log_is_cut),
	    TEST(test_snapshots_both_ways),
	    TEST(test_a_new_epoch),
	    TEST(test_stamps_that_ran_ahead),
	    TEST(test_what_a_set_back_library_changed),
	    TEST(test_stamps_that_ran_ahead_and_were_cut),
	    TEST(test_what_is_announced),
	};

	return cmocka_run_group_tests_name("replica rules", tests, NULL, NULL);
}
