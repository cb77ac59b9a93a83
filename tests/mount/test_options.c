#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "mount/options.h"
#include "tests/lib/test.h"

static const struct option_row rows[] = {
    {"name", 'n', "NAME", ""}, {"json", 'j', NULL, ""}, {"exclude", 0, "GLOB", ""}, {"exact", 'e', NULL, ""}, {0}};
static const struct option_row common[] = {{"help", 'h', NULL, ""}, {0}};

static int parse(const char *line, struct args *args, char **problem)
{
	static char copy[256];
	static char *argv[32];
	int argc = 0;

	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return args_parse(rows, common, argc, argv, args, problem);
}

static void options_and_words_in_any_order(void **state)
{
	struct args args = ARGS_INIT;
	char *problem = NULL;

	assert_int_equal(parse("a --name x b -j --exclude=1 - --exclude 2 -ny -h -- --json -z", &args, &problem), 0);
	assert_int_equal(args.count, 5);
	assert_string_equal(args.words[0], "a");
	assert_string_equal(args.words[2], "-");
	assert_string_equal(args.words[3], "--json");
	assert_string_equal(args.words[4], "-z");
	assert_null(args.words[5]);
	assert_true(args_has(&args, "json"));
	assert_true(args_has(&args, "help"));
	assert_string_equal(args_value(&args, "name"), "y"); /* the last one */
	assert_string_equal(args_value_at(&args, "exclude", 0), "1");
	assert_string_equal(args_value_at(&args, "exclude", 1), "2");
	assert_null(args_value_at(&args, "exclude", 2));
	assert_null(args_value(&args, "none"));
	args_release(&args);
}

static void short_forms(void **state)
{
	struct args args = ARGS_INIT;
	char *problem = NULL;

	assert_int_equal(parse("-jen value --he --exc=g", &args, &problem), 0);
	assert_true(args_has(&args, "json") && args_has(&args, "exact") && args_has(&args, "help"));
	assert_string_equal(args_value(&args, "name"), "value");
	assert_string_equal(args_value(&args, "exclude"), "g");
	assert_int_equal(args.count, 0);
	args_release(&args);
}

static void expect_problem(const char *line, const char *part)
{
	struct args args = ARGS_INIT;
	_cleanup_(free_ptr) char *problem = NULL;

	assert_int_equal(parse(line, &args, &problem), -EINVAL);
	assert_non_null(strstr(problem, part));
	assert_null(args.words);
}

static void mistakes(void **state)
{
	expect_problem("--no", "no option --no");
	expect_problem("-x", "no option -x");
	expect_problem("-jx", "no option -x");
	expect_problem("--name", "needs a value");
	expect_problem("-n", "needs a value");
	expect_problem("--json=1", "takes no value");
	expect_problem("--ex", "more than one");
	expect_problem("--=x", "no option");
}

static void an_exact_name_is_not_ambiguous(void **state)
{
	static const struct option_row both[] = {{"all", 0, NULL, ""}, {"all-of-them", 0, NULL, ""}, {0}};
	char *argv[] = {(char *)"--all"};
	struct args args = ARGS_INIT;
	char *problem = NULL;

	assert_int_equal(args_parse(both, common, 1, argv, &args, &problem), 0);
	assert_true(args_has(&args, "all"));
	assert_false(args_has(&args, "all-of-them"));
	args_release(&args);
}

static void not_more_than_there_is_room_for(void **state)
{
	char *argv[OPTIONS_GIVEN_MAX + 1];
	struct args args = ARGS_INIT;
	_cleanup_(free_ptr) char *problem = NULL;

	for (int i = 0; i <= OPTIONS_GIVEN_MAX; i++)
		argv[i] = (char *)"-j";
	assert_int_equal(args_parse(rows, common, OPTIONS_GIVEN_MAX, argv, &args, &problem), 0);
	args_release(&args);
	assert_int_equal(args_parse(rows, common, OPTIONS_GIVEN_MAX + 1, argv, &args, &problem), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_and_words_in_any_order),
	    cmocka_unit_test(short_forms),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(an_exact_name_is_not_ambiguous),
	    cmocka_unit_test(not_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
