/* What replication writes goes in slices, which may be cut off anywhere; and what one device may have is bounded in
 * all. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/internal.h"
#include "store/replica_internal.h"
#include "sync/digest.h"
#include "sync/limits.h"
#include "tests/store/exchange.h"
#include "tests/store/heard.h"
#include "tests/store/steps.h"

enum { COUNT = 2, FILES = 600, SLICE = 50 };

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

/* --- counting what a transaction writes, and cutting it off --- */

struct counting {
	unsigned rows, most, commits;
	unsigned fails_at; /* this commit; 0: none */
};

static void on_row(void *arg, int what, const char *database, const char *table, sqlite3_int64 id)
{
	struct counting *c = arg;

	if (strcmp(table, "entry") == 0 || strcmp(table, "audit") == 0)
		c->rows++;
}

static int on_commit(void *arg)
{
	struct counting *c = arg;

	c->most = c->rows > c->most ? c->rows : c->most;
	c->rows = 0;
	return ++c->commits == c->fails_at;
}

/* While this stands, nothing else may write: the store's own thread does so only after a pause. */
static void count(struct library *l, struct counting *c)
{
	sqlite3 *connection = l->store->writer->connection;

	l->store->slice_rows = SLICE;
	sqlite3_update_hook(connection, c ? on_row : NULL, c);
	sqlite3_commit_hook(connection, c ? on_commit : NULL, c);
}

/* --- much to do --- */

struct filling {
	int64_t location, root;
};

static int insert(struct txn *txn, const struct filling *f, int64_t parent, char kind, int number,
		  struct entry_attr attr, int64_t *ret_id)
{
	char name[16];
	struct entry_place place = {.location = f->location, .parent = parent, .name = name};

	place.name_len = (size_t)snprintf(name, sizeof(name), "%c%d", kind, number);
	return entry_insert(txn, &place, &attr, ret_id);
}

static int do_fill(struct txn *txn, void *arg)
{
	int64_t dir = 0, id;
	int r = 0;

	for (int i = 0; r == 0 && i < FILES; i++) {
		if (i % (FILES / 3) == 0)
			r = insert(txn, arg, ((struct filling *)arg)->root, 'd', i, step_dir((uint64_t)i + 10000),
				   &dir);
		if (r == 0)
			r = insert(txn, arg, dir, 'f', i, step_file((uint64_t)i + 1), &id);
	}
	return r;
}

static int64_t fill(struct library *l)
{
	struct filling f = {.location = library_location(l, "pics")};

	f.root = library_root(l, f.location);
	assert_int_equal(library_write(l, do_fill, &f), 0);
	return f.location;
}

/* As a device that was set back to before they came. */
static void forget_entries(struct library *l)
{
	assert_int_equal(step_sql(l->store,
				  "DELETE FROM entry WHERE seq > 1; DELETE FROM local_entry WHERE entry NOT IN"
				  " (SELECT id FROM entry); UPDATE location SET digest = 0"),
			 0);
}

static void assert_sliced(const struct counting *c, unsigned changes_of_a_row)
{
	assert_true(c->commits > FILES / SLICE);
	assert_in_range(c->most, 1, changes_of_a_row * (SLICE + 1));
}

static void test_a_sweep_is_sliced(void **state)
{
	struct library *l = *state;
	struct counting c = {.rows = 0};
	struct stream s;

	fill(&l[0]);
	exchange_all(&l[0], &l[1], 1000);
	forget_entries(&l[0]);
	s = exchange_own(&l[0], MODEL_ENTRY);
	assert_int_equal(store_replica.relist(l[1].store, &s.id), 0);
	count(&l[1], &c);
	exchange_pull(&l[0], &l[1], &s, 1000);
	count(&l[1], NULL);
	assert_sliced(&c, 2);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry"), 2);
	library_assert_clean(&l[1]);
}

static void test_what_comes_is_sliced(void **state)
{
	struct library *l = *state;
	struct counting c = {.rows = 0};

	fill(&l[0]);
	count(&l[1], &c);
	exchange_all(&l[0], &l[1], 1000);
	count(&l[1], NULL);
	assert_sliced(&c, 1);
	exchange_all(&l[1], &l[0], 1000);
	exchange_assert_equal(&l[0], &l[1]);
}

/* Every slice is the last one of some life. */
static void test_cut_off_anywhere(void **state)
{
	struct library *l = *state;
	struct stream s, held;
	unsigned at = 0;
	int r;

	fill(&l[0]);
	exchange_all(&l[0], &l[1], 1000);
	forget_entries(&l[0]);
	s = exchange_own(&l[0], MODEL_ENTRY);
	assert_int_equal(store_replica.relist(l[1].store, &s.id), 0);
	do {
		_cleanup_(piece_release) struct piece piece = {.body = BUF_INIT};
		struct counting c = {.fails_at = ++at < 8 ? at : 0};
		struct range_request q;

		held = exchange_held(&l[1], &s.id, s.started);
		q = exchange_request(&held, 1000);
		assert_int_equal(exchange_read(&l[0], &q, &piece), 0);
		count(&l[1], &c);
		r = exchange_apply(&l[1], &piece, NULL);
		count(&l[1], NULL);
		library_reopen(&l[1]);
		held = exchange_held(&l[1], &s.id, s.started);
		/* Whole is what is swept. */
		assert_true(stream_is_whole(&held) == (step_number(l[1].store, "SELECT count(*) FROM entry") == 2));
	} while (r < 0 || !stream_is_whole(&held));
	assert_true(at >= 8);
	exchange_assert_digests(&l[1]);
	library_assert_clean(&l[1]);
}

static int do_empty(struct txn *txn, void *arg)
{
	return replica_empty_next(txn);
}

static void empty_all(struct library *l, struct counting *c)
{
	const struct store_write_opts bulk = {.priority = STORE_BULK};
	int r;

	count(l, c);
	do
		r = store_write(l->store, &bulk, do_empty, NULL);
	while (r == 1);
	count(l, NULL);
	assert_int_equal(r, 0);
}

static void test_a_location_is_emptied_in_slices(void **state)
{
	struct library *l = *state;
	struct counting c[2] = {{.rows = 0}, {.rows = 0}};
	int64_t location = fill(&l[0]);

	exchange_all(&l[0], &l[1], 1000);
	assert_int_equal(step_location_remove(l[0].store, location), 0);
	exchange_all(&l[0], &l[1], 1000);
	for (int i = 0; i < COUNT; i++) {
		l[i].store->slice_rows = SLICE;
		assert_int_equal(library_write(&l[i], do_empty, NULL), 1);
		assert_in_range(step_number(l[i].store, "SELECT count(*) FROM entry"), 1, FILES);
		library_assert_clean(&l[i]);
		empty_all(&l[i], &c[i]);
		assert_sliced(&c[i], 1);
		assert_int_equal(step_number(l[i].store, "SELECT count(*) FROM entry"), 0);
		assert_int_equal(step_number(l[i].store, "SELECT count(*) FROM local_entry"), 0);
		library_assert_clean(&l[i]);
	}
	exchange_all(&l[1], &l[0], 1000);
	exchange_assert_equal(&l[0], &l[1]);
}

/* What is half emptied is emptied before it comes back, and its entries come anew. */
static void test_a_location_comes_back(void **state)
{
	struct library *l = *state;
	struct counting c = {.rows = 0};
	int64_t location = fill(&l[0]);
	struct stream s;

	exchange_all(&l[0], &l[1], 1000);
	assert_int_equal(step_location_remove(l[0].store, location), 0);
	exchange_all(&l[0], &l[1], 1000);
	assert_int_equal(step_sql(l[1].store, "DELETE FROM entry WHERE id % 2 = 0"), 0);
	assert_int_equal(step_sql(l[0].store, "UPDATE location SET deleted = 0, version = version + 1;"
					      "UPDATE stream SET position = position + 1 WHERE kind = 16"),
			 0);
	count(&l[1], &c);
	s = exchange_own(&l[0], MODEL_LOCATION);
	exchange_pull(&l[0], &l[1], &s, 1000);
	s = exchange_own(&l[0], MODEL_ENTRY);
	exchange_pull(&l[0], &l[1], &s, 1000);
	count(&l[1], NULL);
	assert_in_range(c.most, 1, SLICE + 2);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry WHERE version > 0"), FILES + 4);
	assert_true(exchange_held(&l[1], &s.id, s.started).digest == exchange_own(&l[0], MODEL_ENTRY).digest);
}

static void test_purges_are_sliced(void **state)
{
	struct library *l = *state;
	struct counting c = {.rows = 0};
	struct stream s;

	fill(&l[0]);
	assert_int_equal(step_sql(l[0].store, "UPDATE entry SET deleted = 1, version = version + 10000 WHERE seq > 1;"
					      "UPDATE location SET digest = 0;"
					      "UPDATE stream SET position = position + 20000 WHERE kind = 17"),
			 0);
	s = exchange_own(&l[0], MODEL_ENTRY);
	count(&l[0], &c);
	while (store_replica.cut(l[0].store, &s.id, s.position) == 1)
		;
	assert_sliced(&c, 1);
	assert_int_equal(step_number(l[0].store, "SELECT count(*) FROM entry"), 2);
	count(&l[0], NULL);

	assert_int_equal(
	    step_sql(l[0].store,
		     "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
		     "INSERT INTO audit (device, number, at_ms, action, subject, deleted, version)"
		     " SELECT 1, i, 0, '', '', 1, i FROM n; UPDATE stream SET position = 5000 WHERE kind = 18"),
	    0);
	s = exchange_own(&l[0], MODEL_AUDIT);
	c = (struct counting){.rows = 0};
	count(&l[0], &c);
	while (store_replica.cut(l[0].store, &s.id, s.position) == 1)
		;
	count(&l[0], NULL);
	assert_in_range(c.most, 1, 500);
	assert_int_equal(step_number(l[0].store, "SELECT count(*) FROM audit WHERE deleted = 1"), 0);
}

/* --- made up --- */

struct forgery {
	struct row_writer w;
	struct piece piece;
};

static void forge(struct library *owner, uint8_t kind, struct forgery *ret)
{
	struct stream own = exchange_own(owner, kind);

	*ret = (struct forgery){
	    .piece = {.range = {.stream = own.id, .started = own.started, .listing = true}, .body = BUF_INIT}};
	row_writer_init(&ret->w, model_find(kind));
}

static struct value text(const char *s)
{
	return (struct value){.bytes = (const uint8_t *)s, .len = strlen(s)};
}

static void add(struct forgery *f, uint64_t a, uint64_t b, uint64_t parent)
{
	struct row row = {.model = f->w.model, .key = {a, b}, .version = f->piece.range.since + f->w.count + 1};

	for (unsigned i = 0; i < row.model->field_count; i++)
		row.values[i] = text("");
	if (row.model->kind == MODEL_ENTRY) {
		row.values[ENTRY_MODE].number = S_IFDIR | 0755;
		row.values[ENTRY_PARENT].number = parent;
		row.values[ENTRY_NAME] = text(parent ? "x" : "");
	}
	if (row.model->kind == MODEL_LOCATION || row.model->kind == MODEL_VOLUME)
		row.values[0] = text("name");
	assert_int_equal(row_writer_add(&f->w, &row), 0);
}

/* The rows so far as a piece that ends `left` before the head. */
static int send(struct forgery *f, struct library *to, uint64_t left)
{
	struct range *range = &f->piece.range;
	int r;

	range->upto = range->since + f->w.count;
	range->head = range->upto + left;
	buf_clear(&f->piece.body);
	assert_int_equal(row_writer_finish(&f->w, &f->piece.body), 0);
	range->body = f->piece.body.data;
	range->body_len = f->piece.body.len;
	r = exchange_apply(to, &f->piece, NULL);
	range->since = range->upto;
	return r;
}

static void forgery_release(struct forgery *f)
{
	row_writer_release(&f->w);
	piece_release(&f->piece);
}

/* One piece. What applying it returned. */
static int pull_piece(struct library *from, struct library *to, const struct stream *s, uint32_t max_rows)
{
	_cleanup_(piece_release) struct piece piece = {.body = BUF_INIT};
	struct stream held = exchange_held(to, &s->id, s->started);
	struct range_request q = exchange_request(&held, max_rows);

	assert_int_equal(exchange_read(from, &q, &piece), 0);
	return exchange_apply(to, &piece, NULL);
}

/* Its owner removes a location in the middle of a list. Files that are here already hang on a directory that was to
 * come later, as it changed last, and does not come any more: the owner has done nothing wrong. */
static void test_a_location_goes_while_it_is_listed(void **state)
{
	struct library *l = *state;
	int64_t location = fill(&l[0]);
	struct stream locations = exchange_own(&l[0], MODEL_LOCATION), entries, held;
	int r = 0;

	assert_int_equal(step_update(l[0].store, library_root(&l[0], location), step_dir(77)), 0);
	entries = exchange_own(&l[0], MODEL_ENTRY);
	exchange_pull(&l[0], &l[1], &locations, 1000);
	assert_int_equal(pull_piece(&l[0], &l[1], &entries, 100), 0);
	assert_int_equal(step_location_remove(l[0].store, location), 0);
	for (int i = 0; r == 0 && i < 5; i++)
		r = pull_piece(&l[0], &l[1], &entries, 100);
	assert_int_equal(r, -ERR_ORPHANS);
	assert_int_equal(pull_piece(&l[0], &l[1], &entries, 100), -ERR_ORPHANS); /* not heard of it yet */
	exchange_pull(&l[0], &l[1], &locations, 1000);
	assert_int_equal(pull_piece(&l[0], &l[1], &entries, 100), 0);
	held = exchange_held(&l[1], &entries.id, 0);
	assert_true(stream_is_whole(&held));
	exchange_assert_digests(&l[1]);
	exchange_all(&l[0], &l[1], 1000);
	exchange_all(&l[1], &l[0], 1000);
	exchange_assert_equal(&l[0], &l[1]);
}

struct slice {
	const struct range *range;
	struct applying applying;
	struct applied applied;
};

static int do_slice(struct txn *txn, void *arg)
{
	struct slice *s = arg;

	return replica_apply_state(txn, s->range, &s->applying, &s->applied);
}

static int do_relist(struct txn *txn, void *arg)
{
	return replica_relist(txn, arg);
}

/* Between two slices of the first piece of a list the stream begins anew, as a location came back: what the first slice
 * counted must not be counted again. */
static void test_a_list_begins_anew_between_slices(void **state)
{
	struct library *l = *state;
	_cleanup_(piece_release) struct piece piece = {.body = BUF_INIT};
	struct stream s, none;
	struct range_request q;
	struct slice slice = {.range = &piece.range};

	fill(&l[0]);
	s = exchange_own(&l[0], MODEL_ENTRY);
	none = exchange_held(&l[1], &s.id, s.started);
	q = exchange_request(&none, 200);
	assert_int_equal(exchange_read(&l[0], &q, &piece), 0);
	l[1].store->slice_rows = SLICE;
	assert_int_equal(library_write(&l[1], do_slice, &slice), 1);
	assert_int_equal(library_write(&l[1], do_relist, &s.id), 0);
	assert_int_equal(library_write(&l[1], do_slice, &slice), -ERR_STALE);
	exchange_all(&l[0], &l[1], 100);
	exchange_assert_digests(&l[1]);
}

/* Each names a parent that never comes: the stream does not become whole, and nobody sees them. */
static void test_parents_that_never_come(void **state)
{
	struct library *l = *state;
	_cleanup_(forgery_release) struct forgery f;
	struct stream held;

	forge(&l[0], MODEL_ENTRY, &f);
	for (uint64_t i = 0; i < 200; i++)
		add(&f, 7, i, 1000 + i);
	assert_int_equal(send(&f, &l[1], 0), -ERR_ORPHANS);
	held = exchange_held(&l[1], &f.piece.range.stream, 0);
	assert_false(stream_is_whole(&held));
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM files"), 0);
}

/* The same behind what is whole: it is listed anew first, as it may be this device that is wrong. */
static void test_a_parent_that_is_missing_later(void **state)
{
	struct library *l = *state;
	_cleanup_(forgery_release) struct forgery f, again;
	struct stream held;

	forge(&l[0], MODEL_ENTRY, &f);
	add(&f, 7, 0, 0);
	assert_int_equal(send(&f, &l[1], 0), 0);
	f.piece.range.listing = false;
	add(&f, 7, 1, 500);
	assert_int_equal(send(&f, &l[1], 0), 0);
	held = exchange_held(&l[1], &f.piece.range.stream, 0);
	assert_true(held.listing && held.position == 0);
	forge(&l[0], MODEL_ENTRY, &again);
	add(&again, 7, 0, 0);
	add(&again, 7, 1, 500);
	assert_int_equal(send(&again, &l[1], 0), -ERR_ORPHANS);
	again.piece.range.since = 0;
	add(&again, 7, 0, 0);
	assert_int_equal(send(&again, &l[1], 0), 0);
	held = exchange_held(&l[1], &f.piece.range.stream, 0);
	assert_true(stream_is_whole(&held));
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry"), 1);
}

static void test_entries_without_end(void **state)
{
	struct library *l = *state;
	_cleanup_(forgery_release) struct forgery f;
	int r = 0;

	l[1].store->entries_max = 1000;
	forge(&l[0], MODEL_ENTRY, &f);
	for (uint64_t piece = 0; r == 0 && piece < 100; piece++) {
		for (uint64_t i = 0; i < 100; i++)
			add(&f, 7, piece * 100 + i, 1000000 + piece * 100 + i); /* and a stub for each */
		r = send(&f, &l[1], 10);
	}
	assert_int_equal(r, -ERR_TOO_LARGE);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM entry"), 1000);
	/* The same rows over and over are no more rows. */
	f.piece.range.since = exchange_held(&l[1], &f.piece.range.stream, 0).position;
	for (int i = 0; i < 20; i++) {
		for (uint64_t k = 0; k < 100; k++)
			add(&f, 7, k, 1000001 + k);
		assert_int_equal(send(&f, &l[1], 10), 0);
	}
	library_reopen(&l[1]);
	l[1].store->entries_max = 1000;
	add(&f, 7, 77777, 1);
	assert_int_equal(send(&f, &l[1], 10), -ERR_TOO_LARGE); /* counted at the first look */
}

static void test_locations_that_never_come(void **state)
{
	struct library *l = *state;
	_cleanup_(forgery_release) struct forgery f;
	int r = 0;

	forge(&l[0], MODEL_ENTRY, &f);
	for (uint64_t i = 1; r == 0 && i < 10000; i += 100) {
		for (uint64_t k = 0; k < 100; k++)
			add(&f, i + k, 1, 0);
		r = send(&f, &l[1], 10);
	}
	assert_int_equal(r, -ERR_TOO_LARGE);
	assert_in_range(step_number(l[1].store, "SELECT count(*) FROM location"), OWNER_LOCATIONS_MAX - 100,
			OWNER_LOCATIONS_MAX);
}

static void rows_without_end(struct library *l, uint8_t kind, uint64_t max, const char *count_sql)
{
	_cleanup_(forgery_release) struct forgery f;
	const uint64_t at_once = 4000;
	int r = 0;

	forge(&l[0], kind, &f);
	for (uint64_t i = 1; r == 0 && i < 2 * max; i += at_once) {
		for (uint64_t k = 0; k < at_once; k++)
			add(&f, i + k, 0, 0);
		r = send(&f, &l[1], 10);
	}
	assert_int_equal(r, -ERR_TOO_LARGE);
	assert_in_range(step_number(l[1].store, count_sql), max - SLICE_ROWS, max);
}

static void test_few_rows_without_end(void **state)
{
	struct library *l = *state;

	rows_without_end(l, MODEL_LOCATION, OWNER_LOCATIONS_MAX, "SELECT count(*) FROM location");
	rows_without_end(l, MODEL_VOLUME, OWNER_VOLUMES_MAX, "SELECT count(*) FROM volume");
	rows_without_end(l, MODEL_AUDIT, OWNER_AUDIT_MAX, "SELECT count(*) FROM audit");
}

/* A device stops before others would refuse it. */
static void test_own_locations_have_an_end(void **state)
{
	struct library *l = *state;
	int64_t id;

	assert_int_equal(step_sql(l[0].store,
				  "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4095)"
				  "INSERT INTO location (device, prefix, name, path, deleted, version)"
				  " SELECT 1, i, 'n' || i, '/' || i, 1, i FROM n"),
			 0);
	assert_int_equal(step_location_add(l[0].store, "last", &id), 0);
	assert_int_equal(step_location_add(l[0].store, "more", &id), -ERR_TOO_LARGE);
}

/* Of a snapshot that names logs without end, those that there is no room for are left out. */
static void test_a_snapshot_of_invented_logs(void **state)
{
	struct library *l = *state;
	_cleanup_(vector_release) struct vector covers = VECTOR_INIT, own = VECTOR_INIT;
	struct stream s = {.position = 1, .hlc = 1, .hash = {1}, .started = 1};

	for (unsigned i = 0; i < VECTOR_STREAMS_MAX; i++) {
		s.id.origin.device.bytes[0] = i < 100 ? 1 : 2;
		s.id.origin.device.bytes[1] = i < 100 ? 0 : (uint8_t)(i >> 8);
		s.id.origin.device.bytes[2] = i < 100 ? 0 : (uint8_t)i;
		s.id.origin.epoch = 1 + i;
		assert_int_equal(vector_set(&covers, &s), 0);
	}
	assert_int_equal(store_replica.snapshot_merge(l[1].store, NULL, 0, &covers, 1000), 0);
	assert_int_equal(step_number(l[1].store, "SELECT count(*) FROM origin"), ORIGINS_MAX);
	assert_int_equal(
	    step_number(l[1].store, "SELECT max(n) FROM (SELECT count(*) AS n FROM origin GROUP BY device)"),
	    LIVES_MAX);
	assert_int_equal(store_replica.vector(l[1].store, &own), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_sweep_is_sliced),
	    TEST(test_what_comes_is_sliced),
	    TEST(test_cut_off_anywhere),
	    TEST(test_a_location_is_emptied_in_slices),
	    TEST(test_a_location_comes_back),
	    TEST(test_purges_are_sliced),
	    TEST(test_a_location_goes_while_it_is_listed),
	    TEST(test_a_list_begins_anew_between_slices),
	    TEST(test_parents_that_never_come),
	    TEST(test_a_parent_that_is_missing_later),
	    TEST(test_entries_without_end),
	    TEST(test_locations_that_never_come),
	    TEST(test_few_rows_without_end),
	    TEST(test_own_locations_have_an_end),
	    TEST(test_a_snapshot_of_invented_logs),
	};

	return cmocka_run_group_tests_name("replica bounds", tests, NULL, NULL);
}
