#include "net/cadence.h"

#include "net/limits.h"
#include "tests/lib/test.h"

enum { START_MS = 1000000 };

static void at_once_then_regularly(void **state)
{
	static const uint32_t draws[] = {0, 1, 12345, 0x7fffffff, UINT32_MAX};
	struct cadence c;

	cadence_init(&c, DISCOVERY_INTERVAL_MS, START_MS);
	assert_true(cadence_is_due(&c, START_MS));
	cadence_announced(&c, START_MS - 1, 0);
	for (int i = 0; i < 5; i++) {
		cadence_announced(&c, START_MS, draws[i]);
		assert_false(cadence_is_due(&c, START_MS + DISCOVERY_INTERVAL_MS * 8 / 10 - 1));
		assert_true(cadence_is_due(&c, START_MS + DISCOVERY_INTERVAL_MS * 12 / 10));
	}
	cadence_announced(&c, START_MS, 0);
	assert_true(c.next_ms == START_MS + DISCOVERY_INTERVAL_MS * 8 / 10);
	cadence_announced(&c, START_MS, DISCOVERY_INTERVAL_MS * 4 / 10);
	assert_true(c.next_ms == START_MS + DISCOVERY_INTERVAL_MS * 12 / 10);
}

static void a_change_is_due_at_once(void **state)
{
	struct cadence c;

	cadence_init(&c, DISCOVERY_INTERVAL_MS, START_MS);
	cadence_announced(&c, START_MS, 0);
	cadence_announced(&c, START_MS, 0);
	assert_false(cadence_is_due(&c, START_MS + 1));
	cadence_changed(&c, START_MS + 1);
	assert_true(cadence_is_due(&c, START_MS + 1));
}

static void newcomers_are_answered_soon_but_not_each(void **state)
{
	uint64_t now_ms = START_MS;
	struct cadence c;

	cadence_init(&c, DISCOVERY_INTERVAL_MS, now_ms);
	cadence_announced(&c, now_ms, 0);
	cadence_announced(&c, now_ms, 0);
	cadence_newcomer(&c, now_ms, DISCOVERY_REPLY_MS);
	assert_true(c.next_ms == now_ms + DISCOVERY_REPLY_MS);
	now_ms = c.next_ms;
	cadence_announced(&c, now_ms, 0);
	cadence_newcomer(&c, now_ms, 0);
	assert_false(cadence_is_due(&c, now_ms + DISCOVERY_REPLY_MS));
	now_ms = START_MS + DISCOVERY_REPLY_EVERY_MS;
	cadence_newcomer(&c, now_ms, 5);
	assert_true(cadence_is_due(&c, now_ms + 5));
}

static void what_is_new_is_said_twice(void **state)
{
	struct cadence c;

	cadence_init(&c, DISCOVERY_INTERVAL_MS, START_MS);
	for (int i = 0; i < 2; i++) { /* at the start, and after a change */
		cadence_announced(&c, START_MS, 0);
		assert_true(c.next_ms == START_MS + DISCOVERY_REPEAT_MS * 8 / 10);
		cadence_announced(&c, START_MS, 0);
		assert_true(c.next_ms == START_MS + DISCOVERY_INTERVAL_MS * 8 / 10);
		cadence_changed(&c, START_MS);
	}
}

/* However many come, and whatever they do: so many announcements in a minute and no more. */
static void a_flood_of_newcomers(void **state)
{
	unsigned announced = 0;
	struct cadence c;

	cadence_init(&c, DISCOVERY_INTERVAL_MS, START_MS);
	for (uint64_t now_ms = START_MS; now_ms < START_MS + 60000; now_ms += 10) {
		cadence_newcomer(&c, now_ms, (uint32_t)now_ms * 7919);
		if (cadence_is_due(&c, now_ms)) {
			announced++;
			cadence_announced(&c, now_ms, (uint32_t)now_ms);
		}
	}
	assert_in_range(announced, 10, 60000 / DISCOVERY_REPLY_EVERY_MS + 2);
}

static void a_newcomer_delays_nothing(void **state)
{
	struct cadence c;

	cadence_init(&c, DISCOVERY_INTERVAL_MS, START_MS);
	cadence_newcomer(&c, START_MS, DISCOVERY_REPLY_MS);
	assert_true(cadence_is_due(&c, START_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(at_once_then_regularly),	 cmocka_unit_test(a_change_is_due_at_once),
	    cmocka_unit_test(what_is_new_is_said_twice), cmocka_unit_test(newcomers_are_answered_soon_but_not_each),
	    cmocka_unit_test(a_flood_of_newcomers),	 cmocka_unit_test(a_newcomer_delays_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
