#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "mount/evaluate.h"
#include "tests/lib/test.h"

/* Tag "2" is on all multiples of two below 12, and so on; "all" on everything; "bad" cannot be read. */
static int look_up(void *arg, const struct query_node *node, struct idset *ret_set)
{
	int step = atoi(node->name);

	if (strcmp(node->name, "bad") == 0)
		return -EIO;
	ret_set->ids = malloc(12 * sizeof(*ret_set->ids));
	for (int i = 0; i < 12 && (step || strcmp(node->name, "all") == 0); i += step ? step : 1)
		ret_set->ids[ret_set->count++] = i;
	return 0;
}

static int evaluate(const char *text, struct idset *ret_set)
{
	_cleanup_(query_release) struct query query = QUERY_INIT;
	struct query_problem problem;

	assert_int_equal(query_parse(text, strlen(text), &query, &problem), 0);
	return evaluate_query(&query, look_up, NULL, ret_set);
}

static void expect(const char *text, const char *members)
{
	struct idset set = IDSET_INIT;
	char shown[32] = "";

	assert_int_equal(evaluate(text, &set), 0);
	for (int i = 0; i < 12; i++) {
		if (idset_has(&set, i))
			strcat(shown, (const char[]){"0123456789xy"[i], '\0'});
	}
	assert_string_equal(shown, members);
	idset_release(&set);
}

static void answers(void **state)
{
	expect("2", "02468x");
	expect("2 3", "06");
	expect("2 or 3", "0234689x");
	expect("2 and not 3", "248x");
	expect("not 2 and not 3", "157y");
	expect("not (2 or 3)", "157y");
	expect("not 2 or 3", "0135679y");
	expect("not (not 2)", "02468x");
	expect("nothing", "");
	expect("not nothing", "0123456789xy");
	expect("all and not all", "");
	expect("2 3 or 5 not 2", "056");
	expect("not 2 or not 3", "12345789xy");
}

static void an_error_ends_it(void **state)
{
	struct idset set = IDSET_INIT;

	assert_int_equal(evaluate("2 and (3 or bad)", &set), -EIO);
	assert_int_equal(evaluate("bad", &set), -EIO);
	assert_null(set.ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(an_error_ends_it)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
