/* Scans without watching: what is on disk is what is in the rows, also after it changed while nobody looked. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/pair.h"
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

/* As after a restart of the daemon: what happened in between is found by comparing. */
static void compare(void)
{
	world_start(&w, false, false);
	world_rescan(&w);
	world_settle(&w);
	world_stop(&w);
	world_assert_equal(&w);
}

/* --- trees --- */

static void make_file_at(int dir, const char *name)
{
	_cleanup_(close_fd) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), (ssize_t)strlen(name));
}

static void make_odd_names(int dir)
{
	static const char *const names[] = {
	    " ",	   "a b",	"new\nline", "tab\t", "'quote'",  "\"double\"", "$(x)",	    "`x`",
	    "back\\slash", "-rf",	"--version", ".dot",  "...",	  "*",		"?",	    "[a]",
	    "~",	   "a~",	"#hash",     "!bang", "\x01\x7f", "\xff",	"\xc3\x28", "\xf0\x9f\x93\xb7",
	    "\xc3\xa9",	   "e\xcc\x81", "CON",	     "a:b",   "a|b",	  "%s%n",
	};
	char longest[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		make_file_at(dir, names[i]);
	memset(longest, 'n', 255);
	longest[255] = '\0';
	make_file_at(dir, longest);
	memset(longest, '\xfe', 255);
	make_file_at(dir, longest);
}

static void make_many(int root)
{
	_cleanup_(close_fd) int dir = -1;
	char name[32];

	assert_int_equal(mkdirat(root, "many", 0755), 0);
	dir = openat(root, "many", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "file %u", i);
		make_file_at(dir, name);
	}
}

/* 40 levels with names of 200 bytes: a path of 8,000, twice what the kernel takes at once. */
static void make_deep(int root)
{
	int dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[201];

	for (unsigned i = 0; i < 40; i++) {
		int below;

		memset(name, 'a' + (int)(i % 26), 200);
		name[200] = '\0';
		assert_int_equal(mkdirat(dir, name, 0755), 0);
		below = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		close(dir);
		dir = below;
		make_file_at(dir, "file");
	}
	close(dir);
}

static void make_special(int root)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(free_ptr) char *path = world_path(&w, "socket");
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(symlinkat("nowhere/at all", root, "dangling"), 0);
	assert_int_equal(symlinkat("/etc/passwd", root, "outside"), 0);
	assert_int_equal(symlinkat("many", root, "to many"), 0);
	make_file_at(root, "linked");
	assert_int_equal(linkat(root, "linked", root, "another link", 0), 0);
	assert_int_equal(linkat(root, "linked", root, "a third", 0), 0);
	assert_int_equal(mkdirat(root, "mode 0700", 0700), 0);
	assert_int_equal(mkdirat(root, "empty", 0755), 0);
	if (geteuid() == 0)
		assert_int_equal(mknodat(root, "device", S_IFCHR | 0600, 0x0103), 0);
}

static void an_odd_tree(void **state)
{
	_cleanup_(close_fd) int root = open(w.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct index_progress total;
	uint64_t count;

	make_odd_names(root);
	make_many(root);
	make_deep(root);
	make_special(root);
	assert_int_equal(world_state(&w), LOCATION_UNSCANNED);
	compare();
	assert_int_equal(world_state(&w), LOCATION_READY);
	count = world_count(&w);
	world_start(&w, false, false);
	total = world_rescan(&w);
	assert_int_equal(total.entries, count);
	assert_int_equal(total.changed, 0);
	assert_int_equal(total.unreadable, 0);
	/* What a scratch folder cannot remove by path. */
	world_run(&w, "rm -rf aaaa*");
}

static int stop_it(void *arg, const struct index_progress *progress)
{
	return 1;
}

static int count_calls(void *arg, const struct index_progress *progress)
{
	assert_non_null(progress->path);
	++*(unsigned *)arg;
	return 0;
}

static int hold_gate(struct txn *txn, void *arg)
{
	struct timespec half = {.tv_nsec = 500000000};

	atomic_store((atomic_bool *)arg, true);
	nanosleep(&half, NULL);
	return 0;
}

static void *hold_gate_on_thread(void *arg)
{
	library_write(&w.library, hold_gate, arg);
	return NULL;
}

/* A writer holds the gate for half a second, so the scan is surely under way when it is asked about and given up. */
static void a_scan_can_be_given_up_and_goes_on(void **state)
{
	struct index_progress total;
	atomic_bool held = false;
	pthread_t thread;
	unsigned calls = 0;

	world_run(&w, "for d in 1 2 3 4 5; do mkdir $d && (cd $d && seq 200 | xargs touch); done");
	world_start(&w, false, false);
	assert_int_equal(pthread_create(&thread, NULL, hold_gate_on_thread, &held), 0);
	while (!atomic_load(&held))
		;
	assert_int_equal(index_rescan(w.index, w.location, stop_it, NULL, &total), -EINTR);
	assert_int_equal(index_rescan(w.index, w.location, count_calls, &calls, &total), 0);
	pthread_join(thread, NULL);
	assert_true(calls > 0);
	world_stop(&w);
	world_assert_equal(&w);
}

static void unknown_locations_are_refused(void **state)
{
	world_start(&w, false, false);
	assert_int_equal(index_rescan(w.index, 4711, NULL, NULL, NULL), -ENOENT);
}

/* --- identity --- */

static void renames_while_nobody_looks(void **state)
{
	int64_t file, dir, below, moved;

	world_run(&w, "mkdir -p d/e other && echo 1 > a && echo 2 > d/e/b && echo 3 > c");
	compare();
	file = world_id(&w, "a");
	dir = world_id(&w, "d");
	below = world_id(&w, "d/e/b");
	moved = world_id(&w, "c");
	world_run(&w, "mv a z && mv d other/d2 && mv c other/d2/e/c");
	compare();
	assert_int_equal(world_id(&w, "z"), file);
	assert_int_equal(world_id(&w, "other/d2"), dir);
	assert_int_equal(world_id(&w, "other/d2/e/b"), below);
	assert_int_equal(world_id(&w, "other/d2/e/c"), moved);
}

/* Both ways round in the order of directories, and a directory that moves into one that moves. */
static void moves_in_every_direction(void **state)
{
	int64_t x, y, p, q;

	world_run(&w, "mkdir a z p q && echo x > a/x && echo y > z/y && echo p > p/p && echo q > q/q");
	compare();
	x = world_id(&w, "a/x");
	y = world_id(&w, "z/y");
	p = world_id(&w, "p/p");
	q = world_id(&w, "q");
	world_run(&w, "mv a/x z/ && mv z/y a/ && mv q p/ && mv p a/");
	compare();
	assert_int_equal(world_id(&w, "z/x"), x);
	assert_int_equal(world_id(&w, "a/y"), y);
	assert_int_equal(world_id(&w, "a/p/p"), p);
	assert_int_equal(world_id(&w, "a/p/q"), q);
}

static void parent_and_child_change_places(void **state)
{
	int64_t file;

	world_run(&w, "mkdir -p a/b && echo 1 > a/in_a && echo 2 > a/b/in_b");
	compare();
	file = world_id(&w, "a/b/in_b");
	world_run(&w, "mv a/b b2 && mv a b2/a2");
	compare();
	assert_int_equal(world_id(&w, "b2/in_b"), file);
	assert_true(world_id(&w, "b2/a2/in_a") != 0);
}

static void directories_that_swap_names(void **state)
{
	int64_t x, y;

	world_run(&w, "mkdir a b && echo 1 > a/x && echo 2 > b/y");
	compare();
	x = world_id(&w, "a/x");
	y = world_id(&w, "b/y");
	world_run(&w, "mv a t && mv b a && mv t b");
	compare();
	assert_int_equal(world_id(&w, "b/x"), x);
	assert_int_equal(world_id(&w, "a/y"), y);
}

static void saved_by_rename(void **state)
{
	int64_t file, tag;

	world_write(&w, "f", "old");
	compare();
	file = world_id(&w, "f");
	tag = world_tag(&w, "t", "f");
	world_write(&w, "f.tmp", "new");
	world_rename(&w, "f.tmp", "f");
	compare();
	assert_int_equal(world_id(&w, "f"), file);
	world_assert_tagged(&w, tag, "f");
}

static void the_name_keeps_its_row_beside_a_backup(void **state)
{
	int64_t file, backup;

	world_write(&w, "f", "old");
	compare();
	file = world_id(&w, "f");
	world_rename(&w, "f", "f~");
	world_write(&w, "f", "new");
	compare();
	assert_int_equal(world_id(&w, "f"), file);
	backup = world_id(&w, "f~");
	assert_true(backup != 0 && backup != file);
}

static void renamed_over_another_that_was_tagged(void **state)
{
	int64_t target, tag;

	world_write(&w, "from", "1");
	world_write(&w, "to", "2");
	compare();
	target = world_id(&w, "to");
	tag = world_tag(&w, "t", "from");
	world_rename(&w, "from", "to");
	compare();
	assert_int_equal(world_id(&w, "to"), target);
	assert_int_equal(world_id(&w, "from"), 0);
	world_assert_tagged(&w, tag, "to");
}

static void a_directory_renamed_over_an_empty_one(void **state)
{
	int64_t target, file, tag;

	world_run(&w, "mkdir from to && echo 1 > from/f");
	compare();
	target = world_id(&w, "to");
	file = world_id(&w, "from/f");
	tag = world_tag(&w, "t", "from");
	world_rename(&w, "from", "to");
	compare();
	assert_int_equal(world_id(&w, "to"), target);
	assert_int_equal(world_id(&w, "to/f"), file);
	world_assert_tagged(&w, tag, "to");
}

static void hard_links_keep_theirs(void **state)
{
	int64_t a, b;

	world_run(&w, "echo 1 > a && ln a b");
	compare();
	a = world_id(&w, "a");
	b = world_id(&w, "b");
	assert_true(a != b);
	world_run(&w, "ln a c && rm b");
	compare();
	assert_int_equal(world_id(&w, "a"), a);
	assert_int_equal(world_id(&w, "c"), b); /* the one whose name has vanished */
	world_run(&w, "mkdir d && mv a d/a2");
	compare();
	assert_int_equal(world_id(&w, "d/a2"), a);
	assert_int_equal(world_id(&w, "c"), b);
}

static void another_kind_of_thing(void **state)
{
	int64_t file, dir;

	world_run(&w, "echo 1 > f && mkdir d && echo 2 > d/x");
	compare();
	file = world_id(&w, "f");
	dir = world_id(&w, "d");
	world_run(&w, "mv f f2 && mkdir f && mv d d2 && echo 3 > d");
	compare();
	assert_int_equal(world_id(&w, "f2"), file);
	assert_int_equal(world_id(&w, "d2"), dir);
	world_run(&w, "rm -r d2 && ln -s f d2");
	compare();
	assert_true(world_id(&w, "d2") != dir);
}

/* A later scan finds what an earlier one had to take for deleted. */
static void revived_after_it_was_gone(void **state)
{
	int64_t file, dir, below, tag;

	world_run(&w, "mkdir d && echo 1 > f && echo 2 > d/g");
	compare();
	file = world_id(&w, "f");
	dir = world_id(&w, "d");
	below = world_id(&w, "d/g");
	tag = world_tag(&w, "t", "d/g");
	world_run(&w, "mv f d ../");
	compare();
	assert_int_equal(world_id(&w, "f"), 0);
	assert_int_equal(world_id(&w, "d"), 0);
	world_run(&w, "mv ../f back && mv ../d .");
	compare();
	assert_int_equal(world_id(&w, "back"), file);
	assert_int_equal(world_id(&w, "d"), dir);
	assert_int_equal(world_id(&w, "d/g"), below);
	world_assert_tagged(&w, tag, "d/g");
}

/* An inode that is used again by another file is another file. */
static void a_reused_inode_is_not_known_again(void **state)
{
	int64_t old;

	for (unsigned i = 0; i < 50; i++) {
		struct stat before, after;
		_cleanup_(free_ptr) char *a = world_path(&w, "a"), *b = world_path(&w, "b");

		world_write(&w, "a", "same size");
		assert_int_equal(lstat(a, &before), 0);
		compare();
		old = world_id(&w, "a");
		world_remove(&w, "a");
		world_write(&w, "b", "same size");
		assert_int_equal(lstat(b, &after), 0);
		compare();
		assert_true(world_id(&w, "b") != old);
		world_remove(&w, "b");
		if (before.st_ino == after.st_ino)
			return;
	}
	print_message("skipped: this filesystem did not use an inode again\n");
	skip();
}

/* --- ignoring --- */

static bool is_there(const char *path)
{
	return world_id(&w, path) != 0;
}

static void ignored_things_have_no_rows(void **state)
{
	world_run(&w,
		  "mkdir -p .git/x node_modules a/b a/keep && touch .git/x/y a/z.part a/b/one a/b/two a/b/keep.one a/c "
		  "Thumbs.db a/keep/one");
	world_write(&w, "a/.shelfignore", "*one\n!keep.one\n/keep/\n");
	world_start(&w, false, false);
	world_rescan(&w);
	assert_false(is_there(".git"));
	assert_false(is_there("node_modules"));
	assert_false(is_there("Thumbs.db"));
	assert_false(is_there("a/z.part"));
	assert_false(is_there("a/b/one"));
	assert_false(is_there("a/keep"));
	assert_true(is_there("a/b/two"));
	assert_true(is_there("a/b/keep.one"));
	assert_true(is_there("a/.shelfignore"));
	/* What becomes ignored loses its row; what no longer is, is there again. */
	world_write(&w, "a/.shelfignore", "two\n");
	world_rescan(&w);
	assert_true(is_there("a/b/one"));
	assert_false(is_there("a/b/two"));
	assert_true(is_there("a/keep/one"));
	world_remove(&w, "a/.shelfignore");
	world_rescan(&w);
	assert_true(is_there("a/b/two"));
}

/* --- what cannot be read --- */

static void an_unreadable_folder_keeps_its_rows(void **state)
{
	struct index_progress total;

	if (geteuid() == 0) {
		print_message("skipped: root reads everything\n");
		skip();
	}
	world_run(&w, "mkdir d && touch d/f e");
	compare();
	world_run(&w, "chmod 000 d");
	world_start(&w, false, false);
	total = world_rescan(&w);
	assert_int_equal(total.unreadable, 1);
	world_rescan(&w);
	assert_true(is_there("d/f"));
	world_await_said(&w, "could not be read");
	world_run(&w, "chmod 700 d");
}

/* The same as root, on a folder that nobody may look into: below /proc there is none, so a directory loses its place.
 */
static void forbidden_folders_are_listed_and_not_entered(void **state)
{
	const char *forbidden[] = {NULL, NULL};
	_cleanup_(free_ptr) char *inside = world_path(&w, "sub/secret");
	struct index_opts opts = {.forbidden = forbidden};
	struct index_progress total;

	world_run(&w, "mkdir -p sub/secret/deep && touch sub/secret/f sub/g");
	forbidden[0] = inside;
	assert_int_equal(index_start(w.library.store, &opts, &w.index), 0);
	assert_int_equal(index_rescan(w.index, w.location, NULL, NULL, &total), 0);
	assert_true(is_there("sub/secret"));
	assert_true(is_there("sub/g"));
	assert_false(is_there("sub/secret/f"));
	assert_int_equal(total.entries, 3);
}

static void the_root_is_gone_or_another(void **state)
{
	_cleanup_(free_ptr) char *aside = scratch_path(&w.library.scratch, "aside");
	int64_t file;

	world_run(&w, "touch f && mkdir d");
	compare();
	file = world_id(&w, "f");
	assert_int_equal(rename(w.root, aside), 0);
	world_start(&w, false, false);
	assert_int_equal(index_rescan(w.index, w.location, NULL, NULL, NULL), -ENODEV);
	assert_int_equal(mkdir(w.root, 0755), 0);
	world_write(&w, "stranger", "x");
	assert_int_equal(index_rescan(w.index, w.location, NULL, NULL, NULL), -ENODEV);
	world_settle(&w);
	assert_int_equal(world_state(&w), LOCATION_OFFLINE);
	assert_int_equal(world_id(&w, "f"), file);
	assert_int_equal(world_id(&w, "stranger"), 0);
	world_remove(&w, "stranger");
	assert_int_equal(rmdir(w.root), 0);
	assert_int_equal(rename(aside, w.root), 0);
	world_rescan(&w);
	assert_int_equal(world_state(&w), LOCATION_READY);
	assert_int_equal(world_id(&w, "f"), file);
	world_stop(&w);
	world_assert_equal(&w);
}

static void contents_are_known_after_hashing(void **state)
{
	world_run(&w, "echo 1 > a && cp a b && echo 2 > c && touch empty && ln -s a link && mkfifo pipe");
	world_start(&w, false, true);
	world_rescan(&w);
	world_settle_hashed(&w);
	assert_true(world_has_content(&w, "a"));
	assert_true(world_has_content(&w, "b"));
	assert_false(world_has_content(&w, "empty"));
	assert_false(world_has_content(&w, "link"));
	assert_false(world_has_content(&w, "pipe"));
	world_write(&w, "a", "other");
	world_rescan(&w);
	world_settle_hashed(&w);
	assert_true(world_has_content(&w, "a"));
}

/* Hashing goes on where it was after a restart. */
static void hashing_resumes(void **state)
{
	world_run(&w, "for i in $(seq 300); do echo $i > $i; done");
	compare();
	assert_false(world_has_content(&w, "300"));
	world_start(&w, false, true);
	world_settle_hashed(&w);
	assert_true(world_has_content(&w, "1"));
	assert_true(world_has_content(&w, "300"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(an_odd_tree),
	    TEST(a_scan_can_be_given_up_and_goes_on),
	    TEST(unknown_locations_are_refused),
	    TEST(renames_while_nobody_looks),
	    TEST(moves_in_every_direction),
	    TEST(parent_and_child_change_places),
	    TEST(directories_that_swap_names),
	    TEST(saved_by_rename),
	    TEST(the_name_keeps_its_row_beside_a_backup),
	    TEST(renamed_over_another_that_was_tagged),
	    TEST(a_directory_renamed_over_an_empty_one),
	    TEST(hard_links_keep_theirs),
	    TEST(another_kind_of_thing),
	    TEST(revived_after_it_was_gone),
	    TEST(a_reused_inode_is_not_known_again),
	    TEST(ignored_things_have_no_rows),
	    TEST(an_unreadable_folder_keeps_its_rows),
	    TEST(forbidden_folders_are_listed_and_not_entered),
	    TEST(the_root_is_gone_or_another),
	    TEST(contents_are_known_after_hashing),
	    TEST(hashing_resumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
