#include "net/preamble.h"

#include "base/err.h"
#include "tests/lib/test.h"

static void as_agreed(void **state)
{
	static const uint8_t pair[PREAMBLE_LEN] = {'s', 'h', 'e', 'l', 'f', 0, 1, 'P'};
	enum preamble_purpose purpose;
	uint8_t bytes[PREAMBLE_LEN];

	preamble_write(PREAMBLE_PAIR, bytes);
	assert_memory_equal(bytes, pair, sizeof(pair));
	assert_int_equal(preamble_read(bytes, &purpose), 0);
	assert_int_equal(purpose, PREAMBLE_PAIR);
	preamble_write(PREAMBLE_LINK, bytes);
	assert_int_equal(bytes[PREAMBLE_LEN - 1], 'L');
	assert_int_equal(preamble_read(bytes, &purpose), 0);
	assert_int_equal(purpose, PREAMBLE_LINK);
}

static void each_changed_byte_is_noticed(void **state)
{
	enum preamble_purpose purpose;
	uint8_t bytes[PREAMBLE_LEN];

	preamble_write(PREAMBLE_LINK, bytes);
	for (int i = 0; i < PREAMBLE_LEN; i++) {
		bytes[i]++;
		assert_int_equal(preamble_read(bytes, &purpose), i == PREAMBLE_LEN - 2 ? -ERR_STALE : -ERR_MALFORMED);
		bytes[i]--;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_agreed),
	    cmocka_unit_test(each_changed_byte_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
