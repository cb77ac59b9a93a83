#include "index/coalesce.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/test.h"

static struct coalesce *c;
static struct coalesce_batch batch;

static int setup(void **state)
{
	return coalesce_new(&c);
}

static int teardown(void **state)
{
	coalesce_batch_release(&batch);
	coalesce_free(c);
	return 0;
}

static void event(uint64_t now, enum coalesce_kind kind, int64_t dir, const char *name)
{
	assert_int_equal(coalesce_name(c, now, kind, 0, dir, name, strlen(name)), 0);
}

static size_t take(uint64_t now)
{
	coalesce_batch_release(&batch);
	assert_int_equal(coalesce_take(c, now, &batch), 0);
	return batch.count;
}

static void gives_out_when_quiet(void **state)
{
	assert_true(coalesce_is_empty(c));
	assert_int_equal(coalesce_due(c), UINT64_MAX);
	event(1000, COALESCE_CHANGED, 1, "a");
	assert_int_equal(coalesce_due(c), 1050);
	assert_int_equal(take(1049), 0);
	event(1049, COALESCE_CHANGED, 1, "b");
	assert_int_equal(take(1050), 0);
	assert_int_equal(coalesce_due(c), 1099);
	assert_int_equal(take(1099), 2);
	assert_true(coalesce_is_empty(c));
	assert_int_equal(take(5000), 0);
}

static void waits_no_longer_than_the_maximum(void **state)
{
	for (uint64_t now = 1000; now < 1250; now += 10) {
		event(now, COALESCE_CHANGED, 1, "a");
		assert_int_equal(take(now), 0);
	}
	assert_int_equal(coalesce_due(c), 1250);
	assert_int_equal(take(1250), 1);
	assert_string_equal(batch.places[0].name, "a");
	/* A new window. */
	event(1260, COALESCE_CHANGED, 1, "a");
	assert_int_equal(coalesce_due(c), 1310);
}

static void one_name_is_given_once(void **state)
{
	for (unsigned i = 0; i < 10; i++)
		event(1000 + i, COALESCE_CHANGED, 1, "a");
	event(1010, COALESCE_CHANGED, 2, "a");
	assert_int_equal(take(1100), 2);
	assert_int_equal(batch.places[0].dir, 1);
	assert_int_equal(batch.places[1].dir, 2);
}

static void half_a_move_waits_for_the_other(void **state)
{
	assert_int_equal(coalesce_name(c, 1000, COALESCE_MOVED_FROM, 77, 1, "a", 1), 0);
	event(1000, COALESCE_CHANGED, 1, "other");
	assert_int_equal(take(1050), 1);
	assert_string_equal(batch.places[0].name, "other");
	assert_int_equal(coalesce_due(c), 1200);
	assert_int_equal(take(1199), 0);
	assert_int_equal(take(1200), 1);
	assert_string_equal(batch.places[0].name, "a");
}

static void both_halves_go_together(void **state)
{
	assert_int_equal(coalesce_name(c, 1000, COALESCE_MOVED_FROM, 77, 1, "a", 1), 0);
	assert_int_equal(take(1050), 0);
	assert_int_equal(coalesce_name(c, 1060, COALESCE_MOVED_TO, 77, 2, "b", 1), 0);
	assert_int_equal(take(1109), 0);
	assert_int_equal(take(1110), 2);
}

static void what_was_moved_comes_first(void **state)
{
	event(1000, COALESCE_CHANGED, 1, "a");
	event(1000, COALESCE_CHANGED, 1, "c");
	assert_int_equal(coalesce_name(c, 1000, COALESCE_MOVED_TO, 5, 1, "b", 1), 0);
	event(1000, COALESCE_CHANGED, 1, "b");
	event(1000, COALESCE_CHANGED, 1, "d");
	assert_int_equal(take(1100), 4);
	assert_string_equal(batch.places[0].name, "b");
}

static void a_name_that_came_back_does_not_wait(void **state)
{
	assert_int_equal(coalesce_name(c, 1000, COALESCE_MOVED_FROM, 77, 1, "f", 1), 0);
	assert_int_equal(coalesce_name(c, 1000, COALESCE_MOVED_TO, 77, 1, "f~", 2), 0);
	event(1001, COALESCE_CHANGED, 1, "f");
	event(1002, COALESCE_CLOSED, 1, "f");
	event(1003, COALESCE_CHANGED, 1, "f~");
	assert_int_equal(take(1052), 0);
	assert_int_equal(take(1053), 2);
}

static void writing_is_given_at_a_rate(void **state)
{
	unsigned taken = 0;

	for (uint64_t now = 1000; now < 6000; now += 5) {
		event(now, COALESCE_WRITTEN, 1, "big");
		if (take(now) > 0) {
			taken++;
			assert_true(batch.places[0].writing);
		}
	}
	assert_in_range(taken, 9, 11);
	event(6000, COALESCE_CLOSED, 1, "big");
	assert_int_equal(take(6500), 1);
	assert_false(batch.places[0].writing);
}

static void writing_does_not_delay_others(void **state)
{
	for (uint64_t now = 1000; now < 1100; now += 5)
		event(now, COALESCE_WRITTEN, 1, "big");
	event(1100, COALESCE_CHANGED, 1, "new");
	for (uint64_t now = 1105; now < 1150; now += 5) {
		event(now, COALESCE_WRITTEN, 1, "big");
		take(now);
	}
	take(1150);
	assert_true(coalesce_is_empty(c) || coalesce_due(c) >= 1150);
	assert_int_equal(take(1700) <= 1, 1);
}

static void a_rename_of_a_written_file_does_not_wait(void **state)
{
	event(1000, COALESCE_WRITTEN, 1, "f");
	assert_int_equal(take(1050), 1);
	event(1060, COALESCE_CHANGED, 1, "f");
	assert_int_equal(take(1110), 1);
}

static void many_names_become_the_directory(void **state)
{
	char name[16];

	for (unsigned i = 0; i <= COALESCE_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		event(1000, COALESCE_CHANGED, 5, name);
	}
	event(1000, COALESCE_CHANGED, 6, "x");
	event(1001, COALESCE_CHANGED, 5, "more");
	assert_int_equal(take(1100), 2);
	assert_int_equal(batch.places[0].dir, 5);
	assert_null(batch.places[0].name);
	assert_false(batch.places[0].deep);
	assert_int_equal(batch.places[1].dir, 6);
	/* A directory too is given at a rate; names in it are not delayed by that. */
	event(1110, COALESCE_CHANGED, 5, "x");
	assert_int_equal(take(1160), 1);
	assert_non_null(batch.places[0].name);
	assert_int_equal(coalesce_dir(c, 1170, 5, false), 0);
	assert_int_equal(take(1300), 0);
	assert_int_equal(coalesce_due(c), 1600);
	assert_int_equal(take(1600), 1);
}

static void deep_stays_deep(void **state)
{
	assert_int_equal(coalesce_dir(c, 1000, 5, true), 0);
	assert_int_equal(coalesce_dir(c, 1010, 5, false), 0);
	assert_int_equal(take(1100), 1);
	assert_true(batch.places[0].deep);
}

static void tries_are_counted(void **state)
{
	struct coalesce_place place;

	event(1000, COALESCE_CHANGED, 1, "a");
	assert_int_equal(take(1050), 1);
	assert_int_equal(batch.places[0].tries, 0);
	place = batch.places[0];
	assert_int_equal(coalesce_again(c, 1050, 100, &place), 0);
	assert_int_equal(coalesce_due(c), 1150);
	assert_int_equal(take(1149), 0);
	assert_int_equal(take(1150), 1);
	assert_int_equal(batch.places[0].tries, 1);
	place = (struct coalesce_place){.dir = 9, .deep = true, .tries = 4};
	assert_int_equal(coalesce_again(c, 1200, 10, &place), 0);
	assert_int_equal(take(1210), 1);
	assert_null(batch.places[0].name);
	assert_true(batch.places[0].deep);
	assert_int_equal(batch.places[0].tries, 5);
}

static void memory_is_bounded(void **state)
{
	char name[16];

	for (unsigned dir = 1; dir <= 5000; dir++)
		for (unsigned i = 0; i < 50; i++) {
			snprintf(name, sizeof(name), "%u", i);
			event(1000, COALESCE_CHANGED, dir, name);
		}
	assert_true(take(2000) < COALESCE_TOTAL_MAX + 5000);
	for (size_t i = 1; i < batch.count; i++)
		assert_true(batch.places[i - 1].dir <= batch.places[i].dir);
	assert_true(coalesce_is_empty(c));
	assert_false(coalesce_lost(c));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(gives_out_when_quiet),
	    TEST(waits_no_longer_than_the_maximum),
	    TEST(one_name_is_given_once),
	    TEST(half_a_move_waits_for_the_other),
	    TEST(both_halves_go_together),
	    TEST(what_was_moved_comes_first),
	    TEST(a_name_that_came_back_does_not_wait),
	    TEST(writing_is_given_at_a_rate),
	    TEST(writing_does_not_delay_others),
	    TEST(a_rename_of_a_written_file_does_not_wait),
	    TEST(many_names_become_the_directory),
	    TEST(deep_stays_deep),
	    TEST(tries_are_counted),
	    TEST(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
