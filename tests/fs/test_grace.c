#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "fs/grace.h"
#include "tests/lib/test.h"

enum { HANDLERS = 100, ROUNDS = 300 };

static void test_nobody_is_inside(void **state)
{
	struct grace *grace;

	assert_int_equal(grace_new(&grace), 0);
	for (int i = 0; i < 10; i++) {
		unsigned slot = grace_enter(grace);
		grace_leave(grace, slot);
		grace_wait(grace);
	}
	grace_free(grace);
	grace_free(NULL);
}

/* --- a handler that is inside is waited for; one that comes later is not --- */

struct one {
	struct grace *grace;
	atomic_bool inside, let_go, waited;
};

static void *sit(void *arg)
{
	struct one *one = arg;
	unsigned slot = grace_enter(one->grace);

	atomic_store(&one->inside, true);
	while (!atomic_load(&one->let_go))
		sched_yield();
	assert_false(atomic_load(&one->waited));
	grace_leave(one->grace, slot);
	return NULL;
}

static void *wait_once(void *arg)
{
	struct one *one = arg;

	grace_wait(one->grace);
	atomic_store(&one->waited, true);
	return NULL;
}

static void test_one_that_is_inside(void **state)
{
	struct one one = { 0 };
	pthread_t handler, waiter;

	assert_int_equal(grace_new(&one.grace), 0);
	for (int i = 0; i < 20; i++) {
		atomic_store(&one.inside, false);
		atomic_store(&one.let_go, false);
		atomic_store(&one.waited, false);
		assert_int_equal(pthread_create(&handler, NULL, sit, &one), 0);
		while (!atomic_load(&one.inside))
			sched_yield();
		assert_int_equal(pthread_create(&waiter, NULL, wait_once, &one), 0);
		for (int k = 0; k < 1000; k++) { /* others come and go */
			unsigned slot = grace_enter(one.grace);
			sched_yield();
			grace_leave(one.grace, slot);
		}
		assert_false(atomic_load(&one.waited));
		atomic_store(&one.let_go, true);
		pthread_join(waiter, NULL);
		pthread_join(handler, NULL);
	}
	grace_free(one.grace);
}

/* --- what it is for: nobody who read an old state answers after a grace period ---
 *
 * The writer takes a cell out of use, waits, and overwrites it. A handler reads which cell is in use and then the cell,
 * without a lock: TSan sees a race, and the handler a torn cell, if the waiter returns too early. */

struct cell {
	unsigned long a, b;
};

struct stage {
	struct grace *grace;
	_Atomic(struct cell *) current;
	atomic_bool stop;
	atomic_ulong reads;
};

static void *handle(void *arg)
{
	struct stage *stage = arg;

	while (!atomic_load(&stage->stop)) {
		unsigned slot = grace_enter(stage->grace);
		const struct cell *cell = atomic_load(&stage->current);
		unsigned long a = cell->a;
		sched_yield(); /* as if it waited for the database */
		assert_int_equal(cell->b, a);
		grace_leave(stage->grace, slot);
		atomic_fetch_add(&stage->reads, 1);
	}
	return NULL;
}

static void test_many_handlers(void **state)
{
	struct cell cells[2] = { { 0, 0 }, { 0, 0 } };
	struct stage stage = { 0 };
	pthread_t threads[HANDLERS]; /* more than slots */

	assert_int_equal(grace_new(&stage.grace), 0);
	atomic_store(&stage.current, &cells[0]);
	for (int i = 0; i < HANDLERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, handle, &stage), 0);
	for (unsigned long round = 1; round <= ROUNDS; round++) {
		struct cell *next = &cells[round % 2];
		next->a = round;
		next->b = round;
		atomic_store(&stage.current, next);
		grace_wait(stage.grace);
		cells[(round + 1) % 2] = (struct cell){ 0, ~0ul }; /* nobody looks at it any more */
	}
	atomic_store(&stage.stop, true);
	for (int i = 0; i < HANDLERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&stage.reads) > 0);
	grace_free(stage.grace);
}

static void *wait_often(void *arg)
{
	for (int i = 0; i < 20; i++)
		grace_wait(arg);
	return NULL;
}

static void test_several_waiters(void **state)
{
	pthread_t threads[8];
	struct grace *grace;

	assert_int_equal(grace_new(&grace), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_often, grace), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	grace_free(grace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_is_inside),
		cmocka_unit_test(test_one_that_is_inside),
		cmocka_unit_test(test_many_handlers),
		cmocka_unit_test(test_several_waiters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
