#include "base/random.h"

#include <string.h>

#include "tests/lib/test.h"

static void init_may_be_called_again(void **state)
{
	assert_int_equal(base_init(), 0);
	assert_int_equal(base_init(), 0);
}

static void bytes_fill_all_and_nothing_else(void **state)
{
	uint8_t seen[16] = {0};
	uint8_t bytes[18];

	/* A byte stays 0 in 32 rounds with a chance of 2^-256. */
	for (int round = 0; round < 32; round++) {
		memset(bytes, 0, sizeof(bytes));
		random_bytes(bytes + 1, 16);
		assert_int_equal(bytes[0], 0);
		assert_int_equal(bytes[17], 0);
		for (int i = 0; i < 16; i++)
			seen[i] |= bytes[i + 1];
	}
	for (int i = 0; i < 16; i++)
		assert_int_not_equal(seen[i], 0);
	random_bytes(bytes, 0);
}

static void below_stays_below_and_reaches_all(void **state)
{
	unsigned seen = 0;

	for (int i = 0; i < 2000; i++) {
		uint32_t n = random_below(5);

		assert_true(n < 5);
		seen |= 1u << n;
	}
	assert_int_equal(seen, 0x1f);
	assert_int_equal(random_below(1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(init_may_be_called_again),
	    cmocka_unit_test(bytes_fill_all_and_nothing_else),
	    cmocka_unit_test(below_stays_below_and_reaches_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
