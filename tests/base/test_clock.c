#include "base/clock.h"

#include <time.h>

#include "tests/lib/test.h"

static void wall_is_the_system_clock(void **state)
{
	uint64_t before = (uint64_t)time(NULL) * 1000;
	uint64_t now = clock_wall_ms();

	/* time() may lag by a tick of the kernel; a minute covers any machine that is only slow. */
	assert_in_range(now, before - 1000, before + 60000);
}

static void monotonic_never_falls(void **state)
{
	uint64_t last_ns = clock_monotonic_ns();

	for (int i = 0; i < 1000; i++) {
		uint64_t ns = clock_monotonic_ns();

		assert_true(ns >= last_ns);
		last_ns = ns;
	}
}

static void monotonic_units_agree(void **state)
{
	uint64_t before_ns = clock_monotonic_ns();
	uint64_t ms = clock_monotonic_ms();
	uint64_t after_ns = clock_monotonic_ns();

	assert_in_range(ms, before_ns / 1000000, after_ns / 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wall_is_the_system_clock),
	    cmocka_unit_test(monotonic_never_falls),
	    cmocka_unit_test(monotonic_units_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
