#include <string.h>

#include "mount/titles.h"
#include "tests/lib/test.h"

static void distances(void **state)
{
	assert_int_equal(titles_distance("holiday", "holiday", 2), 0);
	assert_int_equal(titles_distance("holiday", "Holiday", 2), 0);
	assert_int_equal(titles_distance("holiday", "holidy", 2), 1);
	assert_int_equal(titles_distance("holiday", "hollidayx", 2), 2);
	assert_int_equal(titles_distance("abc", "xyz", 2), 3);
	assert_int_equal(titles_distance("", "ab", 2), 2);
	assert_int_equal(titles_distance("kitten", "sitting", 5), 3);
}

static void very_long_names_are_never_near(void **state)
{
	char text[400];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(titles_distance(text, text, 2), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(distances),
					   cmocka_unit_test(very_long_names_are_never_near)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
