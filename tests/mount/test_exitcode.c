#include <errno.h>

#include "base/err.h"
#include "mount/exitcode.h"
#include "tests/lib/test.h"

static void each_meaning_has_its_code(void **state)
{
	static const struct {
		int err;
		int code;
	} cases[] = {
	    {0, 0},	      {EINVAL, 2},	   {ERR_MALFORMED, 65}, {ERR_CORRUPT, 65},
	    {ERR_STALE, 65},  {ERR_TOO_LARGE, 65}, {EREMOTE, 69},	{EHOSTUNREACH, 69},
	    {EEXIST, 73},     {ENOSPC, 73},	   {EROFS, 73},		{ENOTEMPTY, 73},
	    {EOPNOTSUPP, 73}, {EAGAIN, 75},	   {EBUSY, 75},		{ETIMEDOUT, 75},
	    {EPERM, 77},      {EACCES, 77},	   {ERR_WRONG_KEY, 77}, {ENOENT, 1},
	    {EIO, 1},	      {EINTR, 1},	   {ENOMEM, 1},		{ERR_AHEAD, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(exitcode_of(cases[i].err), cases[i].code);
		assert_int_equal(exitcode_of(-cases[i].err), cases[i].code);
	}
}

static void hints_only_where_there_is_something_to_do(void **state)
{
	assert_non_null(exitcode_hint(-ENOSPC));
	assert_non_null(exitcode_hint(EROFS));
	assert_non_null(exitcode_hint(-ERR_CORRUPT));
	assert_null(exitcode_hint(0));
	assert_null(exitcode_hint(-EEXIST));
	assert_null(exitcode_hint(-123456));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_meaning_has_its_code),
	    cmocka_unit_test(hints_only_where_there_is_something_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
