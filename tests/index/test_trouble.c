/* What goes wrong on the way: rows that cannot be written, means that run out, another disk at the same place. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "index/root.h"
#include "store/location.h"
#include "tests/index/world.h"
#include "tests/lib/test.h"

static struct world w;

static int setup(void **state)
{
	world_init(&w);
	return 0;
}

static int teardown(void **state)
{
	world_stop(&w);
	library_assert_clean(&w.library);
	world_release(&w);
	return 0;
}

static void begin(const char *command)
{
	world_run(&w, command);
	world_start(&w, true, false);
	world_settle(&w);
	world_assert_equal(&w);
}

static void settle_equal(void)
{
	world_settle(&w);
	world_assert_equal(&w);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- rows that cannot be written --- */

static void sql(const char *text)
{
	_cleanup_(free_ptr) char *path = NULL;
	sqlite3 *connection;

	assert_true(asprintf(&path, "%s/database.db", w.library.dir) > 0);
	assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
	sqlite3_busy_timeout(connection, WORLD_WAIT_MS);
	if (sqlite3_exec(connection, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(connection));
	sqlite3_close(connection);
}

static void one_bad_row_stops_nothing(void **state)
{
	begin("mkdir d");
	sql("CREATE TRIGGER poison BEFORE INSERT ON entry WHEN CAST(NEW.name AS TEXT) = 'poison'"
	    " BEGIN SELECT RAISE(ABORT, 'poison'); END");
	world_run(&w, "touch a d/b d/poison d/z && mkdir poison && touch poison/below");
	world_settle(&w);
	assert_true(world_said(&w, "files: the catalogue cannot take in d/poison: "));
	assert_true(world_said(&w, "files: the catalogue cannot take in poison: "));
	assert_false(world_said(&w, "cannot be written"));
	assert_true(world_id(&w, "a") != 0);
	assert_true(world_id(&w, "d/b") != 0);
	assert_true(world_id(&w, "d/z") != 0);
	assert_int_equal(world_id(&w, "d/poison"), 0);
	world_rescan(&w);
	world_run(&w, "touch later");
	world_settle(&w);
	assert_true(world_id(&w, "later") != 0);
	sql("DROP TRIGGER poison");
	world_rescan(&w);
	settle_equal();
}

static void one_row_that_cannot_go_stops_nothing(void **state)
{
	begin("touch a stuck z");
	sql("CREATE TRIGGER poison BEFORE UPDATE ON entry WHEN CAST(NEW.name AS TEXT) = 'stuck'"
	    " BEGIN SELECT RAISE(ABORT, 'poison'); END");
	world_run(&w, "rm a stuck z && touch new");
	world_settle(&w);
	assert_true(world_said(&w, "cannot be deleted from the catalogue: stuck: "));
	assert_int_equal(world_count(&w), 2);
	assert_true(world_id(&w, "new") != 0);
	sql("DROP TRIGGER poison");
	world_rescan(&w);
	settle_equal();
}

static void one_bad_content_id_stops_nothing(void **state)
{
	world_run(&w, "echo 1 > a && echo 2 > bad && echo 3 > z");
	sql("CREATE TRIGGER poison BEFORE UPDATE OF content ON entry WHEN CAST(NEW.name AS TEXT) = 'bad'"
	    " BEGIN SELECT RAISE(ABORT, 'poison'); END");
	world_start(&w, true, true);
	world_settle_hashed(&w);
	assert_true(world_said(&w, "the catalogue cannot take in the content id of bad: "));
	assert_true(world_has_content(&w, "a"));
	assert_true(world_has_content(&w, "z"));
	sql("DROP TRIGGER poison");
	world_rescan(&w); /* asks for a pass */
	world_settle_hashed(&w);
	assert_true(world_has_content(&w, "bad"));
}

/* The row of the tagged file is deleted by the time that the file comes back over another one. */
static void back_over_another(void **state)
{
	int64_t tag;

	begin("mkdir ../outside && echo 2 > f2 && echo 3 > f3");
	tag = world_tag(&w, "t", "f2");
	world_run(&w, "mv f2 ../outside");
	settle_equal();
	world_run(&w, "echo longer >> ../outside/f2 && mv ../outside/f2 f3");
	settle_equal();
	world_assert_tagged(&w, tag, "f3");
	world_run(&w, "echo more >> f3");
	settle_equal();
}

/* What cannot be written are the pairs: the row itself is. */
static void pairs_that_cannot_be_taken_over(void **state)
{
	begin("echo 2 > f2 && echo 3 > f3");
	world_tag(&w, "t", "f2");
	sql("CREATE TRIGGER poison BEFORE INSERT ON pair BEGIN SELECT RAISE(ABORT, 'poison'); END");
	world_run(&w, "echo longer >> f2 && mv f2 f3");
	settle_equal();
	assert_false(world_said(&w, "cannot"));
	sql("DROP TRIGGER poison");
}

/* --- another disk --- */

struct adoption {
	int64_t location;
	struct location_identity identity;
};

static int set_identity(struct txn *txn, void *arg)
{
	const struct adoption *adoption = arg;

	return location_set_identity(txn, adoption->location, &adoption->identity);
}

static void replace_root(bool wait)
{
	struct adoption adoption = {.location = w.location};
	_cleanup_(close_fd) int fd = -1;

	world_run(&w, "cd .. && mv tree old && mkdir tree && echo 1 > tree/b && mkdir tree/d");
	if (wait) {
		world_await_said(&w, "files is offline");
		assert_int_equal(index_rescan(w.index, w.location, NULL, NULL, NULL), -ENODEV);
	}
	fd = open(w.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(root_identify(fd, &adoption.identity), 0);
	assert_int_equal(library_write(&w.library, set_identity, &adoption), 0);
	world_rescan(&w);
	settle_equal();
	world_run(&w, "touch d/later");
	settle_equal();
}

static void another_disk_is_adopted(void **state)
{
	begin("touch a && mkdir d && touch d/f");
	replace_root(true);
}

static void another_disk_is_adopted_before_it_was_missed(void **state)
{
	begin("touch a && mkdir d && touch d/f");
	replace_root(false);
}

static int add(struct txn *txn, void *arg)
{
	int64_t id;

	return location_add(txn, arg, &id);
}

static void locations_added_at_once(void **state)
{
	_cleanup_(free_ptr) char *outer = NULL, *inner = NULL, *reason = NULL, *path1 = NULL, *path2 = NULL;
	struct location_new new1, new2;

	world_run(&w, "mkdir -p ../two/inner");
	outer = scratch_path(&w.library.scratch, "two");
	inner = scratch_path(&w.library.scratch, "two/inner");
	assert_int_equal(index_check_root(library_db(&w.library), outer, NULL, &path1, &new1, &reason), 0);
	assert_int_equal(index_check_root(library_db(&w.library), inner, NULL, &path2, &new2, &reason), 0);
	new1.name = "outer";
	new2.name = "inner";
	assert_int_equal(library_write(&w.library, add, &new1), 0);
	assert_int_equal(library_write(&w.library, add, &new2), -ERR_STALE);
	free(path2);
	path2 = NULL;
	assert_int_equal(index_check_root(library_db(&w.library), inner, NULL, &path2, &new2, &reason), -EEXIST);
}

/* --- means --- */

static void without_descriptors_it_stays_online(void **state)
{
	struct rlimit limit, low;

	begin("touch a");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	sleep_ms(2500); /* a look at the roots */
	assert_int_equal(index_rescan(w.index, w.location, NULL, NULL, NULL), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_false(world_said(&w, "files is offline"));
	world_run(&w, "touch b");
	settle_equal();
}

static void a_large_folder_goes_in_pieces(void **state)
{
	_cleanup_(close_fd) int dir = -1;
	struct store_stats before, after;
	char name[32];

	world_mkdir(&w, "d");
	dir = open(w.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 60000; i++) {
		snprintf(name, sizeof(name), "d/%u", i);
		assert_int_equal(mknodat(dir, name, S_IFREG | 0644, 0), 0);
	}
	begin("true");
	assert_int_equal(store_stats(w.library.store, &before), 0);
	world_run(&w, "mv d ../out");
	settle_equal();
	assert_int_equal(store_stats(w.library.store, &after), 0);
	print_message("%llu commits\n", (unsigned long long)(after.commits - before.commits));
	assert_true(after.commits - before.commits >= 3); /* two in one piece */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(one_bad_row_stops_nothing),
	    TEST(one_row_that_cannot_go_stops_nothing),
	    TEST(one_bad_content_id_stops_nothing),
	    TEST(back_over_another),
	    TEST(pairs_that_cannot_be_taken_over),
	    TEST(another_disk_is_adopted),
	    TEST(another_disk_is_adopted_before_it_was_missed),
	    TEST(locations_added_at_once),
	    TEST(without_descriptors_it_stays_online),
	    TEST(a_large_folder_goes_in_pieces),
	};

	cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
