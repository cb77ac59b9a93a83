#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "mount/query.h"
#include "tests/lib/test.h"

/* Postfix as text: names in brackets, operators as ! & |. */
static char *show(const struct query *query)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < query->count; i++) {
		if (query->nodes[i].op == QUERY_NAME)
			buf_printf(&b, "[%s]", query->nodes[i].name);
		else
			buf_append(&b, &"?!&|"[query->nodes[i].op], 1);
	}
	return buf_take_str(&b);
}

static void expect(const char *text, const char *postfix)
{
	_cleanup_(query_release) struct query query = QUERY_INIT;
	_cleanup_(free_ptr) char *shown = NULL;
	struct query_problem problem;
	int r = query_parse(text, strlen(text), &query, &problem);

	if (r < 0)
		fail_msg("%s: %s at %zu", text, problem.text, problem.at);
	shown = show(&query);
	assert_string_equal(shown, postfix);
}

static void expect_problem(const char *text, size_t at, const char *part)
{
	struct query query = QUERY_INIT;
	struct query_problem problem = {0};

	assert_int_equal(query_parse(text, strlen(text), &query, &problem), -ERR_MALFORMED);
	assert_null(query.nodes);
	if (problem.at != at || !strstr(problem.text, part))
		fail_msg("%s: %s at %zu", text, problem.text, problem.at);
}

static void precedence_and_implied_and(void **state)
{
	expect("a", "[a]");
	expect("a and b", "[a][b]&");
	expect("a b", "[a][b]&");
	expect("a or b and c", "[a][b][c]&|");
	expect("a and b or c", "[a][b]&[c]|");
	expect("a b or c d", "[a][b]&[c][d]&|");
	expect("not a b", "[a]![b]&");
	expect("a not b", "[a][b]!&");
	expect("not not a", "[a]");
	expect("not not not a", "[a]!");
	expect("not (a or b)", "[a][b]|!");
	expect("(a)(b)", "[a][b]&");
	expect("a(b or c)d", "[a][b][c]|&[d]&");
	expect("a or b or c", "[a][b]|[c]|");
}

static void words_and_quotes(void **state)
{
	expect("A AND b Or NOT c", "[A][b]&[c]!|");
	expect("\"and\" or 'not'", "[and][not]|");
	expect("\"new york\"", "[new york]");
	expect("'it\\'s' \"a\\\\b\"", "[it's][a\\b]&");
	expect("android orange nothing", "[android][orange]&[nothing]&");
	expect("\"(\" a\"b\"", "[(][a]&[b]&");
	expect("  \t\n x \r\n", "[x]");
	expect("caf\xc3\xa9 \xff\xfe", "[caf\xc3\xa9][\xff\xfe]&");
	expect("--x -y", "[--x][-y]&");
}

static void what_is_wrong_and_where(void **state)
{
	expect_problem("", 0, "empty");
	expect_problem("   ", 3, "empty");
	expect_problem("a and", 5, "missing at the end");
	expect_problem("and a", 0, "missing before");
	expect_problem("a or or b", 5, "missing before");
	expect_problem("not", 3, "missing at the end");
	expect_problem("(a", 0, "never closed");
	expect_problem("a (b or (c)", 2, "never closed");
	expect_problem("a)", 1, "never opened");
	expect_problem("()", 1, "missing before");
	expect_problem("a \"b", 2, "no end");
	expect_problem("a \"b\\", 2, "no end");
	expect_problem("a ''", 2, "empty name");
}

static void nul_is_no_part_of_a_name(void **state)
{
	struct query query = QUERY_INIT;
	struct query_problem problem;

	assert_int_equal(query_parse("a\0b", 3, &query, &problem), -ERR_MALFORMED);
	assert_int_equal(problem.at, 1);
	assert_int_equal(query_parse("'a\0b'", 5, &query, &problem), -ERR_MALFORMED);
	assert_int_equal(problem.at, 2);
}

static void depth_and_length_are_bounded(void **state)
{
	enum { MANY = 20000 };
	char *deep = malloc(2 * MANY + 2), *longer = malloc(2 * MANY + 1);

	memset(deep, '(', MANY);
	deep[MANY] = 'a';
	memset(deep + MANY + 1, ')', MANY);
	deep[2 * MANY + 1] = '\0';
	expect_problem(deep, QUERY_DEPTH_MAX, "too many parentheses");
	deep[MANY + 1 + QUERY_DEPTH_MAX] = '\0';
	expect(deep + MANY - QUERY_DEPTH_MAX, "[a]");
	for (int i = 0; i < MANY; i++)
		memcpy(longer + 2 * i, "a ", 2);
	longer[2 * MANY] = '\0';
	expect_problem(longer, 1002, "too long");
	for (int i = 0; i < 1000; i++)
		memcpy(longer + 4 * i, "not ", 4);
	memcpy(longer + 4000, "a", 2);
	expect(longer, "[a]");
	free(deep);
	free(longer);
}

/* Any bytes at all: it ends, and what it accepts is well-formed postfix. */
static void random_texts(void **state)
{
	static const char *const pieces[] = {"a",  "b c", "and ", "or ", "not ", "(",  ")",
					     "\"", "'",	  " ",	  "\\",	 "\xc3", "\n", "AND"};
	unsigned seed = 12345;

	for (int round = 0; round < 20000; round++) {
		char text[128] = "";
		struct query query = QUERY_INIT;
		struct query_problem problem = {0};
		int depth = 0;

		for (int i = 0; i < 20; i++) {
			seed = seed * 1103515245 + 12345;
			strcat(text, pieces[(seed >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
		}
		if (query_parse(text, strlen(text), &query, &problem) < 0) {
			assert_non_null(problem.text);
			assert_true(problem.at <= strlen(text));
			continue;
		}
		for (size_t i = 0; i < query.count; i++) {
			depth += query.nodes[i].op == QUERY_NAME ? 1 : query.nodes[i].op == QUERY_NOT ? 0 : -1;
			assert_true(depth >= 1);
		}
		assert_int_equal(depth, 1);
		query_release(&query);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(precedence_and_implied_and),   cmocka_unit_test(words_and_quotes),
	    cmocka_unit_test(what_is_wrong_and_where),	    cmocka_unit_test(nul_is_no_part_of_a_name),
	    cmocka_unit_test(depth_and_length_are_bounded), cmocka_unit_test(random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
