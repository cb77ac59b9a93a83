/* The write gate and transactions: who goes first, what a rollback leaves, counters. Threads meet by flags of the gate
 * itself, so nothing sleeps for a fixed time. */
#include "tests/lib/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/audit.h"
#include "store/internal.h"
#include "sync/model.h"
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

/* --- the gate alone --- */

static void await_waiting(struct gate *gate, enum store_priority priority, unsigned count)
{
	while (atomic_load(&gate->queues[priority].length) < count)
		sched_yield();
}

struct comer {
	struct gate *gate;
	enum store_priority priority;
	char name;
	char *order; /* written while inside */
	uint64_t deadline_ns;
	int result;
};

static void *come(void *arg)
{
	struct comer *comer = arg;

	comer->result = gate_enter(comer->gate, comer->priority, comer->deadline_ns);
	if (comer->result < 0)
		return NULL;
	comer->order[strlen(comer->order)] = comer->name;
	gate_leave(comer->gate);
	return NULL;
}

static void test_interactive_ones_go_first(void **state)
{
	char order[8] = "";
	struct gate gate;
	struct comer comers[4] = {
	    {&gate, STORE_BULK, 'a', order, UINT64_MAX / 2, -1},
	    {&gate, STORE_BULK, 'b', order, UINT64_MAX / 2, -1},
	    {&gate, STORE_INTERACTIVE, 'i', order, UINT64_MAX / 2, -1},
	    {&gate, STORE_INTERACTIVE, 'j', order, UINT64_MAX / 2, -1},
	};
	pthread_t threads[4];

	gate_init(&gate);
	assert_int_equal(gate_enter(&gate, STORE_BULK, 0), 0);
	assert_false(gate_is_wanted(&gate));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, come, &comers[i]), 0);
		await_waiting(&gate, comers[i].priority, i % 2 + 1);
	}
	assert_true(gate_is_wanted(&gate));
	gate_leave(&gate);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_string_equal(order, "ijab");
	gate_release(&gate);
}

static void test_leaving_hands_over(void **state)
{
	char order[8] = "";
	struct gate gate;
	struct comer comer = {&gate, STORE_BULK, 'b', order, UINT64_MAX / 2, -1};
	pthread_t thread;

	gate_init(&gate);
	assert_int_equal(gate_enter(&gate, STORE_BULK, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, come, &comer), 0);
	await_waiting(&gate, STORE_BULK, 1);
	gate_leave(&gate); /* coming back at once does not overtake the waiter */
	assert_int_equal(gate_enter(&gate, STORE_BULK, UINT64_MAX / 2), 0);
	assert_string_equal(order, "b");
	gate_leave(&gate);
	assert_int_equal(pthread_join(thread, NULL), 0);
	gate_release(&gate);
}

static void test_deadline(void **state)
{
	char order[8] = "";
	struct gate gate;
	struct comer comer = {&gate, STORE_INTERACTIVE, 'i', order, 0, 0};
	pthread_t thread;

	gate_init(&gate);
	assert_int_equal(gate_enter(&gate, STORE_BULK, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, come, &comer), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(comer.result, -EAGAIN);
	assert_false(gate_is_wanted(&gate));
	gate_leave(&gate);
	assert_int_equal(gate_enter(&gate, STORE_BULK, 0), 0); /* nobody is thought to wait */
	gate_leave(&gate);
	gate_release(&gate);
}

/* --- through store_write --- */

struct bulk {
	struct store *store;
	atomic_bool inside;
	bool yielded;
};

static int until_wanted(struct txn *txn, void *arg)
{
	struct bulk *bulk = arg;

	atomic_store(&bulk->inside, true);
	while (!gate_is_wanted(&bulk->store->gate))
		sched_yield();
	bulk->yielded = txn_should_yield(txn);
	return 0;
}

static void *write_bulk(void *arg)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	struct bulk *bulk = arg;

	store_write(bulk->store, &opts, until_wanted, bulk);
	return NULL;
}

static void test_bulk_yields_to_interactive(void **state)
{
	struct library *l = *state;
	struct bulk bulk = {.store = l->store};
	pthread_t thread;
	int64_t location;

	assert_int_equal(pthread_create(&thread, NULL, write_bulk, &bulk), 0);
	while (!atomic_load(&bulk.inside))
		sched_yield();
	assert_int_equal(step_location_add(l->store, "home", &location), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(bulk.yielded);
}

static int until_time_is_up(struct txn *txn, void *arg)
{
	uint64_t began = clock_monotonic_ns();

	while (!txn_should_yield(txn))
		;
	*(uint64_t *)arg = clock_monotonic_ns() - began;
	return 0;
}

static void test_bulk_yields_when_time_is_up(void **state)
{
	const struct store_write_opts opts = {.priority = STORE_BULK};
	struct library *l = *state;
	uint64_t took = 0;

	assert_int_equal(store_write(l->store, &opts, until_time_is_up, &took), 0);
	assert_true(took > STORE_BULK_MS * 1000000 / 2);
}

struct counting {
	struct library *l;
	enum store_priority priority;
	int failures;
};

static int add_one(struct txn *txn, void *arg)
{
	return audit_add(txn, "count", "x");
}

static void *write_many(void *arg)
{
	struct counting *counting = arg;
	const struct store_write_opts opts = {.priority = counting->priority};

	for (int i = 0; i < 50; i++)
		if (store_write(counting->l->store, &opts, add_one, NULL) < 0)
			counting->failures++;
	return NULL;
}

/* One state at a time: as many rows as versions, never fewer than before. */
static void *read_many(void *arg)
{
	struct counting *counting = arg;
	int64_t before = 0;

	for (int i = 0; i < 200; i++) {
		int64_t now =
		    step_number(counting->l->store, "SELECT iif(count(*) = coalesce(max(version), 0), count(*), -1)"
						    " FROM audit");
		if (now < before)
			counting->failures++;
		before = now;
	}
	return NULL;
}

static void test_writers_and_readers_together(void **state)
{
	struct counting counting[6] = {
	    {*state, STORE_INTERACTIVE, 0}, {*state, STORE_INTERACTIVE, 0}, {*state, STORE_BULK, 0},
	    {*state, STORE_BULK, 0},	    {*state, STORE_BULK, 0},	    {*state, STORE_BULK, 0},
	};
	struct library *l = *state;
	struct heard heard;
	pthread_t threads[6];

	heard_init(&heard, l->store);
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < 4 ? write_many : read_many, &counting[i]), 0);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(counting[i].failures, 0);
	}
	assert_int_equal(step_number(l->store, "SELECT count(DISTINCT version) FROM audit"), 200);
	assert_int_equal(step_number(l->store, "SELECT max(version) FROM audit"), 200);
	heard_release(&heard);
}

/* --- what a transaction leaves --- */

static int add_and_fail(struct txn *txn, void *arg)
{
	const struct location_new new = {.name = "gone", .path = "/gone"};
	int64_t *id = arg;
	int64_t entry;
	struct entry_place place = {.name = "f", .name_len = 1};
	struct entry_attr attr = step_file(5);
	int r = location_add(txn, &new, id);

	if (r < 0)
		return r;
	place.location = *id;
	place.parent = 1;
	r = entry_insert(txn, &place, &attr, &entry);
	return r < 0 ? r : -ECANCELED;
}

static void test_rollback_leaves_nothing(void **state)
{
	struct library *l = *state;
	int64_t id = 0, again = 0, entry;
	struct heard heard;

	heard_init(&heard, l->store);
	assert_int_equal(library_write(l, add_and_fail, &id), -ECANCELED);
	heard_exactly(&heard, "%s", "");
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 0);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM entry"), 0);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM audit"), 0);
	assert_int_equal(step_number(l->store, "SELECT max(position) FROM stream WHERE kind > 0"), 0);

	/* The ids are given again, to a location with another prefix: nothing that is remembered may be of the first
	 * one. */
	assert_int_equal(step_location_add(l->store, "home", &again), 0);
	assert_int_equal(again, id);
	assert_int_equal(step_insert(l->store, again, library_root(l, again), "f", step_file(5), &entry), 0);
	assert_int_equal(step_number(l->store, "SELECT max(version) FROM entry"), 2);
	assert_int_equal(step_number(l->store, "SELECT next_seq FROM location"), 2);
	heard_release(&heard);
	library_assert_clean(l);
}

static int return_seven(struct txn *txn, void *arg)
{
	return 7;
}

static void test_result_is_passed_on(void **state)
{
	assert_int_equal(library_write(*state, return_seven, NULL), 7);
}

static int leave_a_query_open(struct txn *txn, void *arg)
{
	struct rows *rows = arg;
	struct location location;

	assert_int_equal(location_list(txn_db(txn), 0, 0, rows), 0);
	assert_int_equal(location_next(rows, &location), 0);
	assert_true(db_begin(txn_db(txn)) == 0); /* does nothing here */
	db_end(txn_db(txn));
	struct rows nested = ROWS_INIT;
	assert_int_equal(location_list(txn_db(txn), 0, 0, &nested), -EBUSY);
	rows_release(rows);
	assert_int_equal(location_list(txn_db(txn), 0, 0, rows), 0);
	rows_release(rows);
	return 0;
}

static void test_nested_query_is_refused(void **state)
{
	struct rows rows = ROWS_INIT;
	int64_t id;

	assert_int_equal(step_location_add(((struct library *)*state)->store, "home", &id), 0);
	assert_int_equal(library_write(*state, leave_a_query_open, &rows), 0);
}

struct two {
	int64_t a, b;
};

static int take_numbers(struct txn *txn, void *arg)
{
	struct two *two = arg;
	uint64_t seq = 0;
	int64_t version = 0;

	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(txn_next_seq(txn, two->a, &seq), 0);
		assert_int_equal(seq, 1 + i);
		assert_int_equal(txn_next_seq(txn, two->b, &seq), 0);
		assert_int_equal(seq, 1 + i);
		assert_int_equal(txn_next_version(txn, MODEL_AUDIT, &version), 0);
		assert_int_equal(version, 3 + (int64_t)i);
	}
	assert_int_equal(txn_next_seq(txn, 99, &seq), -ENOENT);
	return 0;
}

static void test_counters(void **state)
{
	struct library *l = *state;
	struct two two;

	assert_int_equal(step_location_add(l->store, "a", &two.a), 0);
	assert_int_equal(step_location_add(l->store, "b", &two.b), 0);
	assert_int_equal(library_write(l, take_numbers, &two), 0);
	assert_int_equal(step_number(l->store, "SELECT min(next_seq) * 100 + max(next_seq) FROM location"), 404);
	assert_int_equal(step_number(l->store, "SELECT position FROM stream WHERE kind = 18"), 5);
}

/* --- subscribers --- */

static void test_notices_come_in_bulk_calls(void **state)
{
	struct library *l = *state;
	const struct store_write_opts opts = {.priority = STORE_BULK};
	struct heard heard;

	heard_init(&heard, l->store);
	int64_t id = 0;
	assert_int_equal(store_write(l->store, &opts, add_and_fail, &id), -ECANCELED);
	assert_int_equal(heard.calls, 0);
	assert_int_equal(step_location_add(l->store, "home", &id), 0);
	assert_int_equal(heard.calls, 1);
	assert_false(heard.bulk);
	heard_release(&heard);
	assert_int_equal(step_location_add(l->store, "other", &id), 0); /* nobody listens */
}

static int many_notices(struct txn *txn, void *arg)
{
	for (uint64_t i = 1; i <= 1000; i++) {
		assert_int_equal(txn_notice(txn, NOTICE_LISTING, i, 0, NULL, 0, true), 0);
		assert_int_equal(txn_notice(txn, NOTICE_LISTING, i, 0, NULL, 0, true), 0); /* merged */
	}
	assert_int_equal(txn_notice(txn, NOTICE_NAME, 1, 2, "x", 1, false), 0); /* the kernel knows */
	assert_int_equal(txn_notice(txn, NOTICE_NAME, 1, 2, "", 0, true), 0);
	return 0;
}

static void test_many_notices(void **state)
{
	struct library *l = *state;
	const struct store_write_opts opts = {.priority = STORE_BULK, .kernel_knows = true};
	struct heard heard;

	heard_init(&heard, l->store);
	assert_int_equal(store_write(l->store, &opts, many_notices, NULL), 0);
	assert_int_equal(heard.count, 1001);
	assert_true(heard.bulk);
	heard_release(&heard);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_interactive_ones_go_first),
	    cmocka_unit_test(test_leaving_hands_over),
	    cmocka_unit_test(test_deadline),
	    TEST(test_bulk_yields_to_interactive),
	    TEST(test_bulk_yields_when_time_is_up),
	    TEST(test_writers_and_readers_together),
	    TEST(test_rollback_leaves_nothing),
	    TEST(test_result_is_passed_on),
	    TEST(test_nested_query_is_refused),
	    TEST(test_counters),
	    TEST(test_notices_come_in_bulk_calls),
	    TEST(test_many_notices),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
