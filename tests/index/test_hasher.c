/* The hasher by itself: files that cannot be read now. */
#include "index/hasher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/index/world.h"
#include "tests/lib/test.h"

static struct world w;

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

static void wake(void *arg)
{
}

static void differs(void *arg, int64_t entry)
{
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* The disk is away at first, and nobody says that it is back. */
static void what_cannot_be_read_is_tried_again(void **state)
{
	struct hasher_opts opts = {.wake = wake, .differs = differs};
	_cleanup_(free_ptr) char *away = NULL;
	struct hasher_result result;
	struct hasher *hasher;
	uint64_t end;

	world_write(&w, "f", "x");
	world_start(&w, false, false);
	world_rescan(&w);
	world_stop(&w);
	away = scratch_path(&w.library.scratch, "away");
	assert_int_equal(rename(w.root, away), 0);
	opts.store = w.library.store;
	assert_int_equal(hasher_new(&opts, &hasher), 0);
	sleep_ms(300);
	assert_true(hasher_is_idle(hasher)); /* those who settle do not wait for it */
	assert_int_equal(hasher_take(hasher, true, &result, 1), 0);
	assert_int_equal(rename(away, w.root), 0);
	end = clock_monotonic_ms() + WORLD_WAIT_MS;
	while (hasher_take(hasher, true, &result, 1) == 0) {
		assert_true(clock_monotonic_ms() < end);
		sleep_ms(10);
	}
	assert_int_equal(result.entry, world_id(&w, "f"));
	hasher_free(hasher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_cannot_be_read_is_tried_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
