/* Two or three libraries exchange ranges: everything arrives, whatever the pieces and their order. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "store/check.h"
#include "store/collection.h"
#include "store/internal.h"
#include "store/oplog.h"
#include "sync/record.h"
#include "tests/lib/library.h"
#include "tests/store/exchange.h"
#include "tests/store/steps.h"

enum { COUNT = 3 };

static int setup(void **state)
{
	struct library *l = calloc(COUNT, sizeof(*l));

	for (int i = 0; i < COUNT; i++)
		library_init(&l[i]);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct library *l = *state;

	for (int i = 0; i < COUNT; i++)
		library_release(&l[i]);
	free(l);
	return 0;
}

/* Locations, a tree, deletions, moves, tags. */
static void fill(struct library *l, const char *name)
{
	int64_t location = library_location(l, name), root = library_root(l, location);
	int64_t other = library_location(l, "other"), other_root = library_root(l, other);
	int64_t dir = library_dir(l, location, root, "dir"), sub = library_dir(l, location, dir, "sub");
	int64_t file = library_file(l, location, sub, "file", 10), gone = library_dir(l, other, other_root, "gone");
	int64_t tag = library_tag(l, "holiday"), album = library_album(l, "best");
	char text[16];

	for (int i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "f%d", i);
		library_file(l, i % 3 ? location : other, i % 3 ? dir : gone, text, (uint64_t)i);
	}
	library_delete(l, gone);
	library_content(l, file, 7);
	assert_int_equal(step_move(l->store, sub, root, "moved"), 0);
	assert_int_equal(library_pair(l, tag, file, "file", NULL), 0);
	assert_int_equal(library_pair(l, album, dir, "dir", NULL), 0);
	assert_int_equal(library_pair(l, COLLECTION_FAVORITES_ID, file, "file", NULL), 0);
}

static void test_digests_of_own_changes(void **state)
{
	struct library *l = *state;
	int64_t location;

	fill(l, "pics");
	exchange_assert_digests(l);
	location = library_location(l, "third");
	library_file(l, location, library_root(l, location), "x", 5);
	exchange_assert_digests(l);
	assert_int_equal(step_location_remove(l->store, location), 0);
	exchange_assert_digests(l);
	library_reopen(l);
	exchange_assert_digests(l);
	library_assert_clean(l);
}

static int check(struct library *l, bool repair)
{
	const struct check_opts opts = {.repair = repair};
	uint64_t problems = 0;

	assert_int_equal(store_check(l->store, &opts, &problems), 0);
	return (int)problems;
}

static void test_wrong_digests_are_found_and_mended(void **state)
{
	struct library *l = *state;

	fill(l, "pics");
	assert_int_equal(check(l, false), 0);
	assert_int_equal(step_sql(l->store,
				  "UPDATE location SET digest = digest + 1 WHERE name = 'pics';"
				  "UPDATE stream SET digest = 5 WHERE kind <> 17; UPDATE library SET digest = 9"),
			 0);
	assert_int_equal(check(l, false), 5);
	assert_int_equal(check(l, true), 0);
	assert_int_equal(check(l, false), 0);
	exchange_assert_digests(l);
}

static void test_everything_arrives(void **state)
{
	struct library *l = *state;

	fill(&l[0], "pics");
	fill(&l[1], "music");
	exchange_all(&l[0], &l[1], RANGE_ROWS_PULL);
	exchange_all(&l[1], &l[0], RANGE_ROWS_PULL);
	exchange_assert_equal(&l[0], &l[1]);
	exchange_assert_digests(&l[0]);
	exchange_assert_digests(&l[1]);
	/* One that was never there hears it from the other. */
	exchange_all(&l[1], &l[2], 4);
	exchange_all(&l[2], &l[1], 4);
	exchange_all(&l[2], &l[0], 4);
	for (int i = 0; i < COUNT; i++) {
		exchange_assert_equal(&l[i], &l[(i + 1) % COUNT]);
		library_assert_clean(&l[i]);
	}
	assert_int_equal(step_number(l[2].store, "SELECT count(*) FROM files"),
			 step_number(l[0].store, "SELECT count(*) FROM files"));
	assert_int_equal(step_number(l[2].store, "SELECT count(*) FROM tagged WHERE size IS NOT NULL"), 6);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_digests_of_own_changes),
	    TEST(test_wrong_digests_are_found_and_mended),
	    TEST(test_everything_arrives),
	};

	return cmocka_run_group_tests_name("replica", tests, NULL, NULL);
}
