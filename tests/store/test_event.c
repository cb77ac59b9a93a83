/* Events, and that sync.db may be lost. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/event.h"
#include "store/internal.h"
#include "tests/lib/library.h"
#include "tests/store/steps.h"

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

struct told {
	struct buf text;
	unsigned count, max;
	int64_t last_id;
};

static int tell(void *arg, const struct event *event)
{
	struct told *told = arg;

	assert_true(event->id > told->last_id && event->at_ms > 0);
	told->last_id = event->id;
	assert_true(event->times > 1 || event->last_ms == event->at_ms);
	buf_printf(&told->text, "%s %s", event->level, event->text);
	if (event->times > 1)
		buf_printf(&told->text, " x%lld", (long long)event->times);
	buf_append_str(&told->text, "\n");
	return ++told->count == told->max;
}

static void assert_events(struct library *l, unsigned limit, unsigned max, const char *expected)
{
	struct told told = {.text = BUF_INIT, .max = max};
	_cleanup_(free_ptr) char *text = NULL;

	assert_int_equal(event_list(l->store, limit, tell, &told), 0);
	text = buf_take_str(&told.text);
	assert_string_equal(text, expected);
}

/* A full disk says so every few seconds: once is enough. */
static void test_what_repeats_is_counted(void **state)
{
	static const char *const texts[] = {"disk", "disk", "disk", "other", "disk", "disk"};
	struct library *l = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(event_add(l->store, "error", texts[i]), 0);
	assert_int_equal(event_add(l->store, "info", "disk"), 0);
	assert_events(l, 10, 0, "error disk x3\nerror other\nerror disk x2\ninfo disk\n");
}

static void test_add_and_list(void **state)
{
	struct library *l = *state;

	assert_events(l, 10, 0, "");
	assert_int_equal(event_add(l->store, "info", "one"), 0);
	assert_int_equal(event_add(l->store, "warning", "two"), 0);
	assert_int_equal(event_add(l->store, "error", ""), 0);
	assert_events(l, 10, 0, "info one\nwarning two\nerror \n");
	assert_events(l, 2, 0, "warning two\nerror \n");
	assert_events(l, 10, 1, "info one\n");
	assert_events(l, 0, 0, "");
	library_reopen(l);
	assert_events(l, 10, 0, "info one\nwarning two\nerror \n");
}

static int add_inside(void *arg, const struct event *event)
{
	return event_add(arg, "info", "from a callback") < 0 ? -1 : 1;
}

static void test_no_lock_is_held_in_a_callback(void **state)
{
	struct library *l = *state;

	assert_int_equal(event_add(l->store, "info", "one"), 0);
	assert_int_equal(event_list(l->store, 1, add_inside, l->store), 0);
	assert_events(l, 10, 0, "info one\ninfo from a callback\n");
}

static void close_store(struct library *l)
{
	store_close(l->store);
	l->store = NULL;
}

static void test_missing_sync_db_is_made_anew(void **state)
{
	struct library *l = *state;
	_cleanup_(free_ptr) char *path = scratch_path(&l->scratch, "test.sdlibrary/sync.db");
	int64_t id;

	assert_int_equal(step_location_add(l->store, "home", &id), 0);
	assert_int_equal(event_add(l->store, "info", "lost"), 0);
	close_store(l);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_open(l->dir, l->key, &l->store), 0);
	assert_events(l, 10, 0,
		      "warning sync.db was missing and was made anew: earlier events are gone, no change is lost\n");
	assert_int_equal(step_number(l->store, "SELECT count(*) FROM location"), 1);
	library_assert_clean(l);
}

static void assert_made_anew(struct library *l, const void *bytes, size_t len)
{
	assert_int_equal(event_add(l->store, "info", "lost"), 0);
	close_store(l);
	assert_int_equal(scratch_write(&l->scratch, "test.sdlibrary/sync.db", bytes, len, 0600), 0);
	assert_int_equal(store_open(l->dir, l->key, &l->store), 0);
	assert_events(l, 10, 0,
		      "warning sync.db was damaged and was made anew: earlier events are gone, no change is lost\n");
}

static void test_damaged_sync_db_is_made_anew(void **state)
{
	char junk[8192];

	memset(junk, 'x', sizeof(junk));
	assert_made_anew(*state, junk, sizeof(junk));
	assert_made_anew(*state, "", 0);
	assert_made_anew(*state, "SQLite format 3", 16);
}

static int insert_thousands(sqlite3 *connection)
{
	return connection_exec(connection,
			       "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10050)"
			       " INSERT INTO event (at_ms, last_ms, level, text) SELECT i, i, 'info', 'x' FROM n");
}

static void test_the_last_are_kept(void **state)
{
	struct library *l = *state;
	_cleanup_(free_ptr) char *path = scratch_path(&l->scratch, "test.sdlibrary/sync.db");
	_cleanup_(connection_closep) sqlite3 *connection = NULL;
	int64_t count = 0;

	assert_int_equal(connection_open(path, DB_WRITE, &connection), 0);
	assert_int_equal(insert_thousands(connection), 0);
	assert_int_equal(event_add(l->store, "info", "newest"), 0);
	assert_int_equal(connection_int(connection, "SELECT count(*) FROM event", &count), 0);
	assert_int_equal(count, 10000);
	assert_events(l, 1, 0, "info newest\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_add_and_list),
	    TEST(test_what_repeats_is_counted),
	    TEST(test_no_lock_is_held_in_a_callback),
	    TEST(test_missing_sync_db_is_made_anew),
	    TEST(test_damaged_sync_db_is_made_anew),
	    TEST(test_the_last_are_kept),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
