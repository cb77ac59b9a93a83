/* The checkpoint thread: what is committed reaches the database without anybody waiting for it, the WAL stays bounded
 * and the log is cut. The tests wait for what they look for, up to a limit. */
#include "tests/lib/test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/internal.h"
#include "tests/lib/library.h"
#include "tests/store/steps.h"

#define LIMIT_MS 30000

static int setup(void **state)
{
	struct library *l = calloc(1, sizeof(*l));

	library_init(l);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	library_release(*state);
	free(*state);
	return 0;
}

static struct store_stats stats_of(struct library *l)
{
	struct store_stats stats = {0};

	assert_int_equal(store_stats(l->store, &stats), 0);
	return stats;
}

static void await(struct library *l, bool (*reached)(const struct store_stats *stats))
{
	uint64_t until = clock_monotonic_ms() + LIMIT_MS;
	struct store_stats stats;

	do {
		assert_true(clock_monotonic_ms() < until);
		sched_yield();
		stats = stats_of(l);
	} while (!reached(&stats));
}

/* A table of its own: check would not like rows that mean nothing. */
static void write_bytes(struct library *l, unsigned bytes)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "CREATE TABLE ballast (x); INSERT INTO ballast VALUES (zeroblob(%u))", bytes);
	assert_int_equal(step_sql(l->store, sql), 0);
}

static bool has_moved(const struct store_stats *stats)
{
	return stats->database_bytes > 8 * 1000 * 1000;
}

static bool log_is_cut(const struct store_stats *stats)
{
	return stats->log_records == 0;
}

static void test_many_pages_are_moved_and_the_log_is_cut(void **state)
{
	struct library *l = *state;

	library_tag(l, "t");
	assert_true(stats_of(l).log_records > 0);
	write_bytes(l, 8 * 1000 * 1000);
	await(l, has_moved);
	await(l, log_is_cut);
	assert_int_equal(step_number(l->store, "SELECT cut = position FROM shared_stream"), 1);
}

static bool wal_is_empty(const struct store_stats *stats)
{
	return stats->wal_bytes == 0;
}

static void test_a_long_wal_is_cut(void **state)
{
	struct library *l = *state;

	write_bytes(l, 70 * 1000 * 1000);
	await(l, wal_is_empty);
	assert_int_equal(step_number(l->store, "SELECT length(x) FROM ballast"), 70 * 1000 * 1000);
}

static void test_a_pause_is_enough(void **state)
{
	struct library *l = *state;

	library_tag(l, "t"); /* a few pages only */
	await(l, log_is_cut);
}

static void test_close_while_it_runs(void **state)
{
	struct library *l = *state;

	for (int i = 0; i < 5; i++) {
		write_bytes(l, 8 * 1000 * 1000);
		library_reopen(l);
		assert_int_equal(step_number(l->store, "SELECT length(x) FROM ballast"), 8 * 1000 * 1000);
		assert_int_equal(step_sql(l->store, "DROP TABLE ballast"), 0);
	}
}

/* As if the process had ended before a row went: nothing else is written in the next life. */
static void test_a_deleted_location_is_emptied(void **state)
{
	struct library *l = *state;
	uint64_t until;
	int64_t location = library_location(l, "pics"), root = library_root(l, location);

	library_file(l, location, root, "a", 1);
	library_file(l, location, root, "b", 1);
	assert_int_equal(step_location_remove(l->store, location), 0);
	library_reopen(l);
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM entry"), 3);
	until = clock_monotonic_ms() + LIMIT_MS;
	while (step_number(l->store, "SELECT count(*) FROM entry") > 0) {
		assert_true(clock_monotonic_ms() < until);
		sched_yield();
	}
	library_assert_clean(l);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_many_pages_are_moved_and_the_log_is_cut),
	    TEST(test_a_long_wal_is_cut),
	    TEST(test_a_pause_is_enough),
	    TEST(test_close_while_it_runs),
	    TEST(test_a_deleted_location_is_emptied),
	};

	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
