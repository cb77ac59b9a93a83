#include "base/err.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tests/lib/test.h"

static void texts(void **state)
{
	assert_string_equal(err_str(-ENOENT), strerrordesc_np(ENOENT));
	assert_string_equal(err_str(ENOENT), err_str(-ENOENT));
	assert_string_equal(err_str(-ERR_WRONG_KEY), "Wrong key");
	assert_string_equal(err_str(ERR_WRONG_KEY), "Wrong key");
	assert_string_equal(err_str(-9999), "Unknown error");
	assert_string_equal(err_str(ERR_LAST), "Unknown error");
	assert_string_equal(err_str(INT_MIN), "Unknown error");
	assert_string_equal(err_str(INT_MAX), "Unknown error");
}

static void each_code_has_its_own_sentence(void **state)
{
	for (int a = ERR_FIRST; a < ERR_LAST; a++) {
		assert_true(strlen(err_str(a)) > 0);
		assert_int_not_equal(err_str(a)[strlen(err_str(a)) - 1], '.');
		for (int b = a + 1; b < ERR_LAST; b++)
			assert_string_not_equal(err_str(a), err_str(b));
	}
}

static void kernel_errnos(void **state)
{
	assert_int_equal(err_errno(-ENOENT), ENOENT);
	assert_int_equal(err_errno(EPERM), EPERM);
	assert_int_equal(err_errno(-ERR_CORRUPT), EIO);
	assert_int_equal(err_errno(-ERR_WRONG_KEY), EPERM);
	assert_int_equal(err_errno(-ERR_MALFORMED), EINVAL);
	assert_int_equal(err_errno(0), EIO);
	assert_int_equal(err_errno(512), EIO);
	assert_int_equal(err_errno(INT_MIN), EIO);
	assert_int_equal(err_errno(INT_MAX), EIO);
	for (int code = ERR_FIRST; code < ERR_LAST; code++) {
		assert_in_range(err_errno(code), 1, 511);
		assert_int_equal(err_errno(code), err_errno(-code));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts),
	    cmocka_unit_test(each_code_has_its_own_sentence),
	    cmocka_unit_test(kernel_errnos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
