#include "net/pairing_code.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"

enum { START_MS = 1000000 };

static struct pairing_code *new_code(void)
{
	struct pairing_code *code;

	assert_int_equal(pairing_code_new(START_MS, &code), 0);
	return code;
}

static void looks_as_said(void **state)
{
	bool seen[256] = {false};

	for (int i = 0; i < 2000; i++) {
		_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
		const char *text = pairing_code_text(code);

		assert_int_equal(strlen(text), PAIRING_CODE_TEXT_LEN);
		for (int k = 0; k < 9; k++) {
			assert_non_null(strchr(k < 4   ? PAIRING_CODE_LETTERS
					       : k > 4 ? PAIRING_CODE_DIGITS
						       : "-",
					       text[k]));
			seen[(uint8_t)text[k]] = true;
		}
	}
	for (const char *c = PAIRING_CODE_LETTERS PAIRING_CODE_DIGITS; *c; c++)
		assert_true(seen[(uint8_t)*c]);
	for (const char *c = "ILOQ01"; *c; c++)
		assert_false(seen[(uint8_t)*c]);
}

static void normalise(void **state)
{
	static const char *const good[] = {"WXYZ-2345", "wxyz2345", " WxYz 23 45\n", "W.X_Y-Z--2345"};
	static const char *const bad[] = {"",	       "WXYZ-234",  "WXYZ-23456", "WXYI-2345",
					  "WXYZ-1345", "WXYZ/2345", "2345-WXYZ",  "WXY2-2345"};
	char code[PAIRING_CODE_LEN + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(pairing_code_normalise(good[i], code), 0);
		assert_string_equal(code, "WXYZ2345");
	}
	strcpy(code, "as it is");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pairing_code_normalise(bad[i], code), -ERR_MALFORMED);
	assert_string_equal(code, "as it is");
}

static void expires(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	uint64_t end_ms = START_MS + PAIRING_CODE_LIFE_MS;

	assert_int_equal(pairing_code_left_ms(code, START_MS), 5 * 60 * 1000);
	assert_int_equal(pairing_code_state(code, end_ms - 1), PAIRING_CODE_READY);
	assert_int_equal(pairing_code_left_ms(code, end_ms - 1), 1);
	assert_int_equal(pairing_code_begin(code, end_ms), PAIRING_CODE_EXPIRED);
	assert_int_equal(pairing_code_left_ms(code, end_ms + 1), 0);
}

static void one_run_at_a_time_with_a_pause(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();

	assert_int_equal(pairing_code_begin(code, START_MS), PAIRING_CODE_READY);
	assert_int_equal(pairing_code_begin(code, START_MS), PAIRING_CODE_BUSY);
	pairing_code_count(code);
	pairing_code_end(code, false, START_MS + 10);
	assert_int_equal(pairing_code_begin(code, START_MS + 10 + PAIRING_CODE_PAUSE_MS - 1), PAIRING_CODE_BUSY);
	assert_int_equal(pairing_code_begin(code, START_MS + 10 + PAIRING_CODE_PAUSE_MS), PAIRING_CODE_READY);
	pairing_code_end(code, false, START_MS + 2000); /* it was no guess: no pause, and not counted */
	assert_int_equal(pairing_code_state(code, START_MS + 2000), PAIRING_CODE_READY);
	assert_int_equal(pairing_code_runs_left(code), PAIRING_CODE_RUNS - 1);
}

static void three_guesses(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();
	uint64_t now_ms = START_MS;

	for (int i = 0; i < PAIRING_CODE_RUNS; i++, now_ms += PAIRING_CODE_PAUSE_MS) {
		assert_int_equal(pairing_code_begin(code, now_ms), PAIRING_CODE_READY);
		pairing_code_count(code);
		pairing_code_end(code, false, now_ms);
	}
	assert_int_equal(pairing_code_runs_left(code), 0);
	assert_int_equal(pairing_code_begin(code, now_ms), PAIRING_CODE_USED_UP);
}

static void a_success_burns_it(void **state)
{
	_cleanup_(pairing_code_freep) struct pairing_code *code = new_code();

	assert_int_equal(pairing_code_begin(code, START_MS), PAIRING_CODE_READY);
	pairing_code_count(code);
	pairing_code_end(code, true, START_MS);
	assert_int_equal(pairing_code_begin(code, START_MS + PAIRING_CODE_PAUSE_MS), PAIRING_CODE_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(looks_as_said), cmocka_unit_test(normalise),
	    cmocka_unit_test(expires),	     cmocka_unit_test(one_run_at_a_time_with_a_pause),
	    cmocka_unit_test(three_guesses), cmocka_unit_test(a_success_burns_it),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
