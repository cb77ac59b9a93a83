/* The pure ones of the edge cases in reference/protocols.md 4.4. */
#include "sync/hlc.h"

#include <string.h>

#include "base/err.h"
#include "tests/lib/test.h"

#define NOW_MS	UINT64_C(1760000000000)
#define HOUR_MS UINT64_C(3600000)
#define YEAR_MS (UINT64_C(365) * 24 * HOUR_MS)

static uint64_t at(uint64_t ms, uint64_t counter)
{
	return ms << 16 | counter;
}

static void same_ms_counts(void **state)
{
	struct hlc clock = {0};

	assert_true(hlc_tick(&clock, NOW_MS) == at(NOW_MS, 0));
	assert_true(hlc_tick(&clock, NOW_MS) == at(NOW_MS, 1));
	assert_true(hlc_tick(&clock, NOW_MS + 1) == at(NOW_MS + 1, 0));
	assert_true(hlc_ms(clock.last) == NOW_MS + 1);
}

static void counter_overflow_carries_into_ms(void **state)
{
	struct hlc clock = {0};
	uint64_t last = 0;

	for (int i = 0; i < 65536; i++) {
		uint64_t stamp = hlc_tick(&clock, NOW_MS);

		assert_true(stamp > last);
		last = stamp;
	}
	assert_true(last == at(NOW_MS, 65535));
	assert_true(hlc_tick(&clock, NOW_MS) == at(NOW_MS + 1, 0));
	assert_true(hlc_tick(&clock, NOW_MS + 1) == at(NOW_MS + 1, 1));
}

static void clock_set_back(void **state)
{
	static const uint64_t steps[] = {1000, HOUR_MS, 10 * YEAR_MS, NOW_MS};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct hlc clock = {0};

		hlc_tick(&clock, NOW_MS);
		assert_true(hlc_tick(&clock, NOW_MS - steps[i]) == at(NOW_MS, 1));
		assert_true(hlc_tick(&clock, NOW_MS - steps[i] + 1) == at(NOW_MS, 2));
		assert_true(hlc_tick(&clock, NOW_MS + 1) == at(NOW_MS + 1, 0));
	}
}

static void clock_forward_then_back(void **state)
{
	struct hlc clock = {0};

	hlc_tick(&clock, NOW_MS);
	assert_true(hlc_tick(&clock, NOW_MS + HOUR_MS) == at(NOW_MS + HOUR_MS, 0));
	assert_true(hlc_tick(&clock, NOW_MS) == at(NOW_MS + HOUR_MS, 1));
}

static void restart_with_the_clock_behind(void **state)
{
	struct hlc clock = {.last = at(NOW_MS, 7)};

	assert_true(hlc_tick(&clock, NOW_MS - HOUR_MS) == at(NOW_MS, 8));
}

static void a_week_of_suspend(void **state)
{
	struct hlc clock = {.last = at(NOW_MS, 7)};

	assert_true(hlc_tick(&clock, NOW_MS + 7 * 24 * HOUR_MS) == at(NOW_MS + 7 * 24 * HOUR_MS, 0));
}

static void time_zero_and_the_last_ms(void **state)
{
	struct hlc zero = {0}, last = {0}, beyond = {0};

	assert_true(hlc_tick(&zero, 0) == 1); /* 0 is no stamp */
	assert_true(hlc_tick(&last, HLC_MS_MAX) == at(HLC_MS_MAX, 0));
	assert_true(hlc_tick(&last, HLC_MS_MAX) == at(HLC_MS_MAX, 1));
	assert_true(hlc_tick(&beyond, UINT64_MAX) == at(HLC_MS_MAX, 0));
	assert_true((int64_t)beyond.last > 0);
}

static void a_remote_stamp_is_outrun(void **state)
{
	struct hlc clock = {.last = at(NOW_MS, 0)};

	assert_int_equal(hlc_observe(&clock, at(NOW_MS + 10, 65535), NOW_MS), 0);
	assert_true(clock.last == at(NOW_MS + 10, 65535));
	assert_true(hlc_tick(&clock, NOW_MS) == at(NOW_MS + 11, 0));
	assert_int_equal(hlc_observe(&clock, at(NOW_MS - HOUR_MS, 3), NOW_MS), 0);
	assert_true(clock.last == at(NOW_MS + 11, 0));
	assert_int_equal(hlc_observe(&clock, clock.last, NOW_MS), 0);
	assert_true(clock.last == at(NOW_MS + 11, 0));
}

static void the_limit_ahead(void **state)
{
	struct hlc clock = {.last = at(NOW_MS, 0)};
	uint64_t limit_ms = NOW_MS + HLC_AHEAD_MAX_MS;

	assert_int_equal(hlc_observe(&clock, at(limit_ms + 1, 0), NOW_MS), -ERR_AHEAD);
	assert_true(clock.last == at(NOW_MS, 0));
	assert_int_equal(hlc_observe(&clock, at(limit_ms, 65535), NOW_MS), 0);
	assert_true(clock.last == at(limit_ms, 65535));
}

/* The limit is one against the device's clock, not against what the clock has seen. */
static void a_held_stamp_becomes_valid_later(void **state)
{
	struct hlc clock = {.last = at(NOW_MS + HLC_AHEAD_MAX_MS, 0)};
	uint64_t held = at(NOW_MS + HLC_AHEAD_MAX_MS + 1, 0);

	assert_int_equal(hlc_observe(&clock, held, NOW_MS), -ERR_AHEAD);
	assert_int_equal(hlc_observe(&clock, held, NOW_MS + 1), 0);
	assert_true(clock.last == held);
}

static void stamps_that_sqlite_would_hold_as_negative(void **state)
{
	struct hlc clock = {.last = 5};

	assert_int_equal(hlc_observe(&clock, UINT64_C(1) << 63, HLC_MS_MAX), -ERR_AHEAD);
	assert_int_equal(hlc_observe(&clock, UINT64_MAX, UINT64_MAX), -ERR_AHEAD);
	assert_true(clock.last == 5);
	assert_int_equal(hlc_observe(&clock, at(HLC_MS_MAX, 65535), UINT64_MAX), 0);
}

static void two_devices_in_one_ms(void **state)
{
	struct hlc a = {0}, b = {0};
	uint64_t last = 0;

	for (int i = 0; i < 100; i++) {
		uint64_t from_a = hlc_tick(&a, NOW_MS), from_b;

		assert_true(from_a > last);
		assert_int_equal(hlc_observe(&b, from_a, NOW_MS), 0);
		from_b = hlc_tick(&b, NOW_MS);
		assert_true(from_b > from_a);
		assert_int_equal(hlc_observe(&a, from_b, NOW_MS), 0);
		last = from_b;
	}
	assert_true(last == at(NOW_MS, 199));
}

static const struct stamp ordered[] = {
    {0, {{0}}},
    {0, {{1}}},
    {1, {{0}}},
    {1, {{0, 1}}},
    {1, {{0x7f}}},
    {1, {{0x80}}},
    {255, {{0}}},
    {256, {{0}}},
    {UINT64_C(1760000000000) << 16, {{9}}},
    {(UINT64_C(1760000000000) << 16) + 10, {{1}}},
    {INT64_MAX, {{0}}},
    {UINT64_C(1) << 63, {{0}}},
    {UINT64_MAX, {{0xff}}},
};

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void order_equals_that_of_the_bytes(void **state)
{
	const int n = sizeof(ordered) / sizeof(ordered[0]);

	for (int i = 0; i < n; i++) {
		for (int j = 0; j < n; j++) {
			uint8_t a[STAMP_LEN], b[STAMP_LEN];

			stamp_encode(&ordered[i], a);
			stamp_encode(&ordered[j], b);
			assert_int_equal(sign(stamp_cmp(&ordered[i], &ordered[j])), sign(i - j));
			assert_int_equal(sign(memcmp(a, b, STAMP_LEN)), sign(i - j));
		}
	}
}

static void stamps_round_trip(void **state)
{
	struct stamp s = {.hlc = UINT64_C(0x0102030405060708), .device = {{9, 10, 11}}};
	uint8_t bytes[STAMP_LEN];
	struct stamp back;

	stamp_encode(&s, bytes);
	assert_memory_equal(bytes, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0", STAMP_LEN);
	back = stamp_decode(bytes);
	assert_int_equal(stamp_cmp(&s, &back), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_ms_counts),
	    cmocka_unit_test(counter_overflow_carries_into_ms),
	    cmocka_unit_test(clock_set_back),
	    cmocka_unit_test(clock_forward_then_back),
	    cmocka_unit_test(restart_with_the_clock_behind),
	    cmocka_unit_test(a_week_of_suspend),
	    cmocka_unit_test(time_zero_and_the_last_ms),
	    cmocka_unit_test(a_remote_stamp_is_outrun),
	    cmocka_unit_test(the_limit_ahead),
	    cmocka_unit_test(a_held_stamp_becomes_valid_later),
	    cmocka_unit_test(stamps_that_sqlite_would_hold_as_negative),
	    cmocka_unit_test(two_devices_in_one_ms),
	    cmocka_unit_test(order_equals_that_of_the_bytes),
	    cmocka_unit_test(stamps_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
