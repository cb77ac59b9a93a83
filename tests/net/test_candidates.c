#include "net/candidates.h"

#include <netinet/in.h>

#include "tests/lib/test.h"

enum { START_MS = 1000000 };

static struct candidate *add(struct candidates *c, uint64_t id, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};

	return candidates_add(c, id, "name", (struct sockaddr *)&address);
}

static uint16_t port_of(const struct candidate *candidate)
{
	return ((const struct sockaddr_in *)candidate_address(candidate))->sin_port;
}

static void one_after_another(void **state)
{
	struct candidates c = {0};

	assert_null(candidates_next(&c, START_MS));
	assert_true(candidates_next_ms(&c) == UINT64_MAX);
	add(&c, 1, 10);
	add(&c, 2, 20);
	assert_int_equal(candidates_next(&c, START_MS)->id, 1);
	candidates_spent(&c, candidates_next(&c, START_MS));
	assert_int_equal(candidates_next(&c, START_MS)->id, 2);
	candidates_spent(&c, candidates_next(&c, START_MS));
	assert_null(candidates_next(&c, START_MS));
	assert_true(candidates_next_ms(&c) == UINT64_MAX);
}

static void never_twice(void **state)
{
	struct candidates c = {0};

	add(&c, 1, 10);
	candidates_spent(&c, candidates_next(&c, START_MS));
	assert_null(add(&c, 1, 10));	 /* heard again */
	assert_non_null(add(&c, 1, 11)); /* by another way */
	assert_null(add(&c, 5, 10));	 /* under another number */
	assert_null(candidates_next(&c, UINT64_MAX));
}

static void by_its_other_addresses(void **state)
{
	struct candidates c = {0};

	for (uint16_t port = 10; port < 10 + CANDIDATE_ADDRESSES_MAX; port++)
		assert_non_null(add(&c, 1, port));
	assert_null(add(&c, 1, 99)); /* no room */
	for (uint16_t port = 10; port < 10 + CANDIDATE_ADDRESSES_MAX; port++) {
		assert_int_equal(port_of(candidates_next(&c, START_MS)), port);
		candidates_unreached(&c, candidates_next(&c, START_MS));
	}
	assert_null(candidates_next(&c, START_MS));
	assert_int_equal(c.guesses, 0);
}

static void busy_waits_while_others_are_tried(void **state)
{
	struct candidates c = {0};

	add(&c, 1, 10);
	add(&c, 2, 20);
	candidates_busy(&c, candidates_next(&c, START_MS), START_MS);
	assert_int_equal(candidates_next(&c, START_MS)->id, 2);
	candidates_spent(&c, candidates_next(&c, START_MS));
	assert_null(candidates_next(&c, START_MS + PAIRING_BUSY_WAIT_MS - 1));
	assert_true(candidates_next_ms(&c) == START_MS + PAIRING_BUSY_WAIT_MS);
	assert_int_equal(candidates_next(&c, START_MS + PAIRING_BUSY_WAIT_MS)->id, 1);
	assert_int_equal(c.guesses, 1);
}

/* However many devices say that they are open: each that answers may guess the code, so few are asked. */
static void a_flood_of_open_devices(void **state)
{
	struct candidates c = {0};
	unsigned tries = 0;

	for (uint16_t i = 1; i <= 1000; i++) {
		struct candidate *next;

		add(&c, i, i);
		next = candidates_next(&c, START_MS);
		if (!next)
			continue;
		tries++;
		candidates_spent(&c, next);
	}
	assert_int_equal(tries, PAIRING_GUESSES_MAX);
	assert_int_equal(c.count, CANDIDATES_MAX);
	assert_true(candidates_next_ms(&c) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_after_another),       cmocka_unit_test(never_twice),
	    cmocka_unit_test(by_its_other_addresses),  cmocka_unit_test(busy_waits_while_others_are_tried),
	    cmocka_unit_test(a_flood_of_open_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
