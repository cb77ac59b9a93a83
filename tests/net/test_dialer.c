/* net/dialer: when and where, by a clock of the test's own. */
#include "net/dialer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/lib/test.h"

static uint32_t no_jitter(uint32_t bound)
{
	return bound - 1; /* the full pause */
}

static uint32_t all_jitter(uint32_t bound)
{
	return 0;
}

static int setup(void **state)
{
	return dialer_new(no_jitter, 0, (struct dialer **)state);
}

static int teardown(void **state)
{
	dialer_free(*state);
	return 0;
}

static void expect(struct dialer *d, uint64_t now_ms, const char *address)
{
	char found[NODE_ADDRESS_TEXT];

	assert_int_equal(dialer_next(d, now_ms, found), 0);
	assert_string_equal(found, address);
}

static void expect_nothing(struct dialer *d, uint64_t now_ms)
{
	char found[NODE_ADDRESS_TEXT] = "untouched";

	assert_int_equal(dialer_next(d, now_ms, found), 1);
	assert_string_equal(found, "untouched");
}

static void nothing_known_nothing_due(void **state)
{
	struct dialer *d = *state;

	expect_nothing(d, 1000000);
	assert_int_equal(dialer_deadline_ms(d), UINT64_MAX);
}

static void pauses_double_up_to_a_limit(void **state)
{
	struct dialer *d = *state;
	uint64_t now = 0, pause = DIALER_BACKOFF_MIN_MS;

	assert_int_equal(dialer_add(d, "a:1", now), 0);
	for (unsigned i = 0; i < 50; i++) {
		expect(d, now, "a:1");
		expect_nothing(d, now);
		dialer_ended(d, "a:1", false, now);
		assert_int_equal(dialer_deadline_ms(d), now + pause);
		expect_nothing(d, now + pause - 1);
		now += pause;
		pause = pause * 2 > DIALER_BACKOFF_MAX_MS ? DIALER_BACKOFF_MAX_MS : pause * 2;
	}
	dialer_network_changed(d, now + 1);
	expect(d, now + 1, "a:1");
	assert_int_equal(dialer_deadline_ms(d), now + 1 + DIALER_BACKOFF_MIN_MS);
}

static void jitter_is_half_of_a_pause(void **state)
{
	struct dialer *d;

	assert_int_equal(dialer_new(all_jitter, 0, &d), 0);
	assert_int_equal(dialer_add(d, "a:1", 0), 0);
	expect(d, 0, "a:1");
	assert_int_equal(dialer_deadline_ms(d), DIALER_BACKOFF_MIN_MS / 2);
	dialer_free(d);
}

static void a_round_goes_through_all(void **state)
{
	struct dialer *d = *state;

	dialer_add(d, "c:1", 0);
	dialer_add(d, "b:1", 0);
	dialer_add(d, "a:1", 0);
	expect(d, 0, "a:1");
	expect_nothing(d, DIALER_STAGGER_MS - 1);
	dialer_ended(d, "a:1", false, 10); /* refused at once: no reason to wait */
	expect(d, 10, "b:1");
	expect_nothing(d, 10);
	expect(d, 10 + DIALER_STAGGER_MS, "c:1"); /* b:1 still says nothing */
	expect_nothing(d, 11 + DIALER_STAGGER_MS);
	dialer_ended(d, "b:1", false, 2000);
	dialer_ended(d, "c:1", false, 2000);
	assert_int_equal(dialer_deadline_ms(d), 10 + DIALER_STAGGER_MS + DIALER_BACKOFF_MIN_MS);
}

static void what_worked_comes_first(void **state)
{
	struct dialer *d = *state;

	dialer_add(d, "b:1", 0);
	dialer_add(d, "a:1", 0);
	expect(d, 0, "a:1");
	expect(d, DIALER_STAGGER_MS, "b:1");
	dialer_ended(d, "b:1", true, 1100);
	dialer_up(d, 1100);
	dialer_ended(d, "a:1", false, 1200);
	expect_nothing(d, 1000000);
	assert_int_equal(dialer_deadline_ms(d), UINT64_MAX);
	dialer_down(d, 1000000);
	expect_nothing(d, 1000000);
	expect(d, 1000000 + DIALER_BACKOFF_MIN_MS, "b:1");
}

/* A peer that hangs up at once is not dialled in a loop. */
static void short_connections_do_not_end_the_pause(void **state)
{
	struct dialer *d = *state;
	uint64_t now = 0, last = 0;

	dialer_add(d, "a:1", 0);
	for (unsigned i = 0; i < 8; i++) {
		expect(d, now, "a:1");
		dialer_ended(d, "a:1", true, now);
		dialer_up(d, now);
		dialer_down(d, now + 10);
		assert_true(dialer_deadline_ms(d) - now > last);
		last = dialer_deadline_ms(d) - now;
		now = dialer_deadline_ms(d);
	}
	expect(d, now, "a:1");
	dialer_ended(d, "a:1", true, now);
	dialer_up(d, now);
	dialer_down(d, now + DIALER_STABLE_MS);
	assert_int_equal(dialer_deadline_ms(d), now + DIALER_STABLE_MS + DIALER_BACKOFF_MIN_MS);
}

static void hints_go_at_once_but_not_often(void **state)
{
	struct dialer *d = *state;

	assert_int_equal(dialer_hint(d, "h:1", 0), 0);
	expect(d, 0, "h:1");
	assert_int_equal(dialer_hint(d, "h:1", 0), -EALREADY);
	dialer_ended(d, "h:1", false, 5);
	assert_int_equal(dialer_count(d), 0); /* it did not work: forgotten */
	assert_int_equal(dialer_hint(d, "h:1", DIALER_HINT_MS - 1), -EBUSY);
	assert_int_equal(dialer_hint(d, "h:1", DIALER_HINT_MS), 0);
	expect(d, DIALER_HINT_MS, "h:1");
	dialer_ended(d, "h:1", true, DIALER_HINT_MS);
	assert_int_equal(dialer_count(d), 1);
	dialer_up(d, DIALER_HINT_MS);
	assert_int_equal(dialer_hint(d, "x:1", DIALER_HINT_MS), -EISCONN);
}

static void many_hints_are_bounded(void **state)
{
	struct dialer *d = *state;
	char address[16];

	for (unsigned i = 0; i < 3 * DIALER_HINTS_MAX; i++) {
		snprintf(address, sizeof(address), "h:%u", i + 1);
		assert_int_equal(dialer_hint(d, address, i), i < DIALER_HINTS_MAX ? 0 : -EBUSY);
		if (i >= DIALER_HINTS_MAX)
			continue;
		expect(d, i, address);
		dialer_ended(d, address, false, i);
	}
}

static void flights_are_bounded(void **state)
{
	struct dialer *d = *state;
	char address[16], found[NODE_ADDRESS_TEXT];
	unsigned dials = 0;

	for (unsigned i = 0; i < 10; i++) {
		snprintf(address, sizeof(address), "a:%u", i + 1);
		dialer_add(d, address, 0);
	}
	for (uint64_t now = 0; now < 1000000; now += 100)
		dials += dialer_next(d, now, found) == 0;
	assert_int_equal(dials, DIALER_FLIGHTS_MAX);
	assert_int_equal(dialer_deadline_ms(d), UINT64_MAX); /* until one has ended */
	assert_int_equal(dialer_hint(d, "h:1", 0), -EBUSY);
}

static void addresses_are_bounded(void **state)
{
	struct dialer *d = *state;
	char address[NODE_ADDRESS_TEXT + 1];

	for (unsigned i = 0; i < 2 * DIALER_ADDRESSES_MAX; i++) {
		snprintf(address, sizeof(address), "a:%u", i + 1);
		assert_int_equal(dialer_add(d, address, 0), 0);
		assert_int_equal(dialer_add(d, address, 0), -EEXIST);
	}
	assert_int_equal(dialer_count(d), DIALER_ADDRESSES_MAX);
	assert_string_equal(dialer_address(d, 0), "a:32");
	memset(address, 'a', sizeof(address));
	address[NODE_ADDRESS_TEXT] = '\0';
	assert_int_equal(dialer_add(d, address, 0), -ERR_MALFORMED);
	assert_int_equal(dialer_add(d, "", 0), -ERR_MALFORMED);
	assert_int_equal(dialer_hint(d, address, 0), -ERR_MALFORMED);
}

static void removed_addresses_are_not_dialled(void **state)
{
	struct dialer *d = *state;

	dialer_add(d, "b:1", 0);
	dialer_add(d, "a:1", 0);
	expect(d, 0, "a:1");
	assert_int_equal(dialer_remove(d, "b:1"), 0);
	assert_int_equal(dialer_remove(d, "b:1"), -ENOENT);
	dialer_ended(d, "a:1", false, 1);
	expect(d, DIALER_STAGGER_MS, "a:1");
	dialer_ended(d, "a:1", false, DIALER_STAGGER_MS);
	assert_int_equal(dialer_remove(d, "a:1"), 0);
	expect_nothing(d, 10000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nothing_known_nothing_due, setup, teardown),
	    cmocka_unit_test_setup_teardown(pauses_double_up_to_a_limit, setup, teardown),
	    cmocka_unit_test(jitter_is_half_of_a_pause),
	    cmocka_unit_test_setup_teardown(a_round_goes_through_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_worked_comes_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(short_connections_do_not_end_the_pause, setup, teardown),
	    cmocka_unit_test_setup_teardown(hints_go_at_once_but_not_often, setup, teardown),
	    cmocka_unit_test_setup_teardown(many_hints_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(flights_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(addresses_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(removed_addresses_are_not_dialled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
