/* Changes while the index is running, seen through real inotify events. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
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

/* With what `command` makes in place before the watch begins. */
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

static void made_changed_renamed_deleted(void **state)
{
	int64_t file;

	begin("mkdir d && echo 1 > d/old");
	world_run(&w, "echo 1 > a && mkdir -p d/x/y/z && echo 2 > d/x/y/z/deep && ln -s a link && mkfifo pipe");
	settle_equal();
	file = world_id(&w, "a");
	world_run(&w, "echo more >> a && chmod 600 a && chmod 700 d && touch -d 2001-01-01 d/old");
	settle_equal();
	assert_int_equal(world_id(&w, "a"), file);
	world_run(&w, "mv a d/x/a2 && rm link pipe");
	settle_equal();
	assert_int_equal(world_id(&w, "d/x/a2"), file);
	world_run(&w, "rm -r d");
	settle_equal();
	assert_int_equal(world_count(&w), 0);
	/* New folders are watched as well. */
	world_run(&w, "mkdir -p n/m");
	settle_equal();
	world_run(&w, "echo 1 > n/m/f");
	settle_equal();
}

static void changes_show_soon(void **state)
{
	uint64_t slowest = 0;

	begin("mkdir d");
	for (unsigned i = 0; i < 10; i++) {
		uint64_t from = clock_monotonic_ms(), took;
		char name[16];

		snprintf(name, sizeof(name), "d/%u", i);
		world_write(&w, name, "x");
		while (world_id(&w, name) == 0 && clock_monotonic_ms() < from + WORLD_WAIT_MS)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		took = clock_monotonic_ms() - from;
		slowest = took > slowest ? took : slowest;
	}
	print_message("a new file showed after at most %llu ms\n", (unsigned long long)slowest);
	assert_true(slowest < 1000);
}

static void a_renamed_folder_keeps_what_is_below(void **state)
{
	int64_t dir, file;

	begin("mkdir -p d/e other && echo 1 > d/e/f");
	dir = world_id(&w, "d");
	file = world_id(&w, "d/e/f");
	world_rename(&w, "d", "other/d2");
	settle_equal();
	assert_int_equal(world_id(&w, "other/d2"), dir);
	assert_int_equal(world_id(&w, "other/d2/e/f"), file);
	/* It is still watched, under its new name. */
	world_run(&w, "echo 2 > other/d2/e/g && mv other/d2/e/f other/d2/f");
	settle_equal();
	assert_int_equal(world_id(&w, "other/d2/f"), file);
	/* Renamed and changed at once: the events name the folder by where it was. */
	world_run(&w, "echo 3 > other/d2/e/h && mv other/d2 d3 && echo 4 > d3/e/i && mv d3/e e3 && echo 5 > e3/j");
	settle_equal();
	assert_int_equal(world_id(&w, "d3"), dir);
	assert_int_equal(world_id(&w, "d3/f"), file);
}

static void moved_out_and_in_again(void **state)
{
	struct index_status status;
	int64_t dir, file;

	begin("mkdir -p d/e && echo 1 > d/e/f");
	dir = world_id(&w, "d");
	file = world_id(&w, "d/e/f");
	world_run(&w, "mv d ../out");
	settle_equal();
	index_status(w.index, &status);
	assert_int_equal(status.watches, 1);
	world_run(&w, "echo 2 > ../out/e/g");
	settle_equal();
	world_run(&w, "mv ../out back");
	settle_equal();
	assert_int_equal(world_id(&w, "back"), dir);
	assert_int_equal(world_id(&w, "back/e/f"), file);
	world_run(&w, "echo 3 > back/e/h");
	settle_equal();
}

/* --- editors --- */

/* Runs `save` on a tagged file and expects that it is the same file afterwards. */
static void saves(const char *save)
{
	static unsigned number;
	char tag_name[32];
	int64_t file, tag;

	snprintf(tag_name, sizeof(tag_name), "tag%u", ++number);
	world_write(&w, "f", "old");
	world_settle(&w);
	file = world_id(&w, "f");
	tag = world_tag(&w, tag_name, "f");
	world_run(&w, save);
	settle_equal();
	assert_int_equal(world_id(&w, "f"), file);
	world_assert_tagged(&w, tag, "f");
	world_run(&w, "rm -f f f~ f.bak .f.swp tmp");
	world_settle(&w);
}

static void editors_keep_the_file(void **state)
{
	begin("true");
	saves("echo new > tmp && mv tmp f"); /* most: write beside, rename over */
	saves("echo new > tmp && sync tmp && mv tmp f");
	saves("mv f f~ && echo new > f && rm f~");		 /* vim, backupcopy=no */
	saves("mv f f~ && echo new > f");			 /* ... that keeps its backup; emacs */
	saves("cp f f~ && echo new > f");			 /* vim, backupcopy=yes */
	saves("ln f f~ && echo new > tmp && mv tmp f && rm f~"); /* gedit */
	saves("echo new > tmp && rm f && mv tmp f");		 /* careful ones */
	saves("rm f && echo new > f");				 /* careless ones */
	saves("echo 1 > .f.swp && echo new >> f && rm .f.swp");
	saves("sed -i s/old/new/ f");
	saves("mv f f.bak && cp f.bak f && echo new >> f && rm f.bak");
}

/* The temporary file has been seen as a file of its own before it takes the place. */
static void a_slow_save_keeps_the_file(void **state)
{
	int64_t file, tag;

	begin("echo old > f");
	file = world_id(&w, "f");
	tag = world_tag(&w, "t", "f");
	world_write(&w, "tmp", "new");
	world_settle(&w);
	assert_true(world_id(&w, "tmp") != 0);
	world_rename(&w, "tmp", "f");
	settle_equal();
	assert_int_equal(world_id(&w, "f"), file);
	world_assert_tagged(&w, tag, "f");
}

static void a_tagged_file_over_another(void **state)
{
	int64_t target, tag;

	begin("echo 1 > from && echo 2 > to");
	target = world_id(&w, "to");
	tag = world_tag(&w, "t", "from");
	world_rename(&w, "from", "to");
	settle_equal();
	assert_int_equal(world_id(&w, "to"), target);
	world_assert_tagged(&w, tag, "to");
}

static void hard_links_follow_their_file(void **state)
{
	int64_t a, b;

	begin("mkdir d && echo 1 > a && ln a d/b");
	a = world_id(&w, "a");
	b = world_id(&w, "d/b");
	world_run(&w, "echo more >> a");
	settle_equal();
	world_run(&w, "chmod 600 d/b");
	settle_equal();
	world_run(&w, "mv a c && ln c e");
	settle_equal();
	assert_int_equal(world_id(&w, "c"), a);
	assert_int_equal(world_id(&w, "d/b"), b);
}

/* --- ignoring --- */

static void ignore_files_count_at_once(void **state)
{
	struct index_status status;

	world_run(&w, "mkdir -p a/b .git/x && touch a/one a/b/one a/b/two");
	world_start(&w, true, false);
	world_settle(&w);
	assert_int_equal(world_id(&w, ".git"), 0);
	world_run(&w, "echo 1 > .git/x/y && echo 1 > big.part");
	world_settle(&w);
	assert_int_equal(world_id(&w, ".git"), 0);
	assert_int_equal(world_id(&w, "big.part"), 0);
	world_rename(&w, "big.part", "big");
	world_settle(&w);
	assert_true(world_id(&w, "big") != 0);
	world_write(&w, "a/.shelfignore", "one\nnew*\n");
	world_settle(&w);
	assert_int_equal(world_id(&w, "a/one"), 0);
	assert_int_equal(world_id(&w, "a/b/one"), 0);
	assert_true(world_id(&w, "a/b/two") != 0);
	world_run(&w, "touch a/b/new1 a/b/old");
	world_settle(&w);
	assert_int_equal(world_id(&w, "a/b/new1"), 0);
	assert_true(world_id(&w, "a/b/old") != 0);
	world_write(&w, "a/.shelfignore", "/b/\n");
	world_settle(&w);
	assert_true(world_id(&w, "a/one") != 0);
	assert_int_equal(world_id(&w, "a/b"), 0);
	index_status(w.index, &status);
	assert_int_equal(status.watches, 2);
	world_remove(&w, "a/.shelfignore");
	world_settle(&w);
	assert_true(world_id(&w, "a/b/new1") != 0);
	world_run(&w, "echo 1 > a/b/watched");
	world_settle(&w);
	assert_true(world_id(&w, "a/b/watched") != 0);
}

/* --- many --- */

static void many_names_at_once(void **state)
{
	begin("mkdir d");
	world_run(&w, "cd d && seq 3000 | xargs touch");
	settle_equal();
	world_run(&w, "cd d && for i in $(seq 300); do mv $i r$i; done && seq 1000 2000 | xargs rm");
	settle_equal();
	world_run(&w, "rm -r d && mkdir d && cd d && mkdir -p $(seq 200) && for i in $(seq 200); do touch $i/f; done");
	settle_equal();
}

struct churn {
	atomic_bool stop;
	unsigned seed;
};

/* One of a few things to a few names, at random. */
static void churn_once(unsigned *seed)
{
	static const char *const formats[] = {
	    "touch %s/%u",    "echo %u > %s/%u", "rm -rf %s/%u",   "mv %s/%u %s/%u",
	    "mkdir -p %s/%u", "ln %s/%u %s/%u",	 "ln -sf x %s/%u", "mv -T %s/%u %s/%u",
	};
	static const char *const dirs[] = {".", "a", "b", "a/1", "b/2", "a/1/3"};
	char command[256];
	const char *d1 = dirs[(unsigned)rand_r(seed) % 6], *d2 = dirs[(unsigned)rand_r(seed) % 6];
	unsigned n1 = (unsigned)rand_r(seed) % 6, n2 = (unsigned)rand_r(seed) % 6;
	unsigned what = (unsigned)rand_r(seed) % (sizeof(formats) / sizeof(*formats));
	_cleanup_(free_ptr) char *line = NULL;

	switch (what) {
	case 1:
		snprintf(command, sizeof(command), "echo %u > %s/%u", n2, d1, n1);
		break;
	case 3:
	case 5:
	case 7:
		snprintf(command, sizeof(command),
			 what == 3   ? "mv %s/%u %s/%u"
			 : what == 5 ? "ln %s/%u %s/%u"
				     : "mv -T %s/%u %s/%u",
			 d1, n1, d2, n2);
		break;
	default:
		snprintf(command, sizeof(command),
			 what == 0   ? "touch %s/%u"
			 : what == 2 ? "rm -rf %s/%u"
			 : what == 4 ? "mkdir -p %s/%u"
				     : "ln -sfT x %s/%u",
			 d1, n1);
	}
	assert_true(asprintf(&line, "cd '%s' && mkdir -p a/1/3 b/2 2>/dev/null; %s 2>/dev/null </dev/null", w.root,
			     command) > 0);
	(void)!system(line);
}

/* Whatever happens in whatever order: in the end the rows are what is on disk. */
static void random_changes_end_equal(void **state)
{
	unsigned seed = (unsigned)clock_monotonic_ns();

	print_message("seed %u\n", seed);
	begin("mkdir -p a/1/3 b/2");
	for (unsigned round = 0; round < 15; round++) {
		for (unsigned i = 0; i < 25; i++)
			churn_once(&seed);
		settle_equal();
	}
}

/* A swapped-in symlink is never followed. */
static void symlinks_are_not_followed(void **state)
{
	begin("mkdir -p d/e ../outside && touch d/e/f ../outside/secret");
	world_run(&w, "mv d/e d/e2 && ln -s ../../outside d/e && echo 1 > d/e/new");
	settle_equal();
	assert_int_equal(world_id(&w, "d/e/secret"), 0);
	world_run(&w, "mv d d2 && ln -s ../outside d");
	settle_equal();
	assert_int_equal(world_id(&w, "d/secret"), 0);
	assert_true(world_id(&w, "d2/e2/f") != 0);
}

static void *swap_all_the_time(void *arg)
{
	struct churn *churn = arg;

	while (!atomic_load(&churn->stop)) {
		_cleanup_(free_ptr) char *d = world_path(&w, "d"), *aside = world_path(&w, "aside");

		(void)!rename(d, aside);
		(void)!symlink("../outside", d);
		(void)!unlink(d);
		(void)!rename(aside, d);
	}
	return NULL;
}

static void a_hostile_swap_never_leads_outside(void **state)
{
	struct churn churn = {.stop = false};
	pthread_t thread;

	begin("mkdir -p d/e ../outside/e && touch d/e/f ../outside/secret ../outside/e/secret");
	assert_int_equal(pthread_create(&thread, NULL, swap_all_the_time, &churn), 0);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(index_rescan(w.index, w.location, NULL, NULL, NULL), 0);
	atomic_store(&churn.stop, true);
	pthread_join(thread, NULL);
	settle_equal();
	assert_int_equal(world_id(&w, "d/secret"), 0);
	assert_int_equal(world_id(&w, "d/e/secret"), 0);
}

/* --- the root --- */

static void the_root_goes_and_comes_back(void **state)
{
	_cleanup_(free_ptr) char *aside = scratch_path(&w.library.scratch, "aside");
	int64_t file;

	begin("mkdir d && touch d/f");
	file = world_id(&w, "d/f");
	assert_int_equal(rename(w.root, aside), 0);
	world_await_said(&w, "files is offline");
	assert_int_equal(mkdir(w.root, 0755), 0);
	world_write(&w, "stranger", "x");
	assert_int_equal(index_rescan(w.index, w.location, NULL, NULL, NULL), -ENODEV);
	assert_int_equal(world_id(&w, "d/f"), file);
	assert_int_equal(world_id(&w, "stranger"), 0);
	assert_int_equal(world_state(&w), LOCATION_OFFLINE);
	world_remove(&w, "stranger");
	assert_int_equal(rmdir(w.root), 0);
	assert_int_equal(rename(aside, w.root), 0);
	world_run(&w, "touch meanwhile");
	world_await_said(&w, "files is back");
	settle_equal();
	assert_int_equal(world_state(&w), LOCATION_READY);
	assert_int_equal(world_id(&w, "d/f"), file);
	world_run(&w, "touch later");
	settle_equal();
}

/* Deleting a root deletes nothing once the root itself is gone. */
static void another_folder_in_its_place(void **state)
{
	_cleanup_(free_ptr) char *aside = scratch_path(&w.library.scratch, "aside");

	begin("touch a b c");
	assert_int_equal(rename(w.root, aside), 0);
	assert_int_equal(mkdir(w.root, 0755), 0);
	world_write(&w, "stranger", "x");
	world_await_said(&w, "files is offline");
	world_settle(&w);
	assert_int_equal(world_count(&w), 3);
	assert_int_equal(world_id(&w, "stranger"), 0);
	world_run(&w, "touch more && rm stranger more");
	world_settle(&w);
	assert_int_equal(world_count(&w), 3);
}

static void other_filesystems_are_not_entered(void **state)
{
	if (!world_may_mount(&w)) {
		print_message("skipped: mount(2) is not allowed here\n");
		skip();
	}
	world_run(&w,
		  "mkdir m && mount -t tmpfs none m && touch m/inside && mkdir d && mount --bind d d && touch d/below");
	world_start(&w, true, false);
	world_settle(&w);
	assert_true(world_id(&w, "m") != 0);
	assert_int_equal(world_id(&w, "m/inside"), 0);
	assert_true(world_id(&w, "d") != 0);
	assert_int_equal(world_id(&w, "d/below"), 0);
	world_await_said(&w, "are another filesystem");
	world_run(&w, "umount m && umount d && chmod 700 m d");
	settle_equal();
	world_run(&w, "touch m/f d/g");
	settle_equal();
}

static void an_unmounted_root_is_offline(void **state)
{
	int64_t file;

	if (!world_may_mount(&w)) {
		print_message("skipped: mount(2) is not allowed here\n");
		skip();
	}
	/* The location is the root of a filesystem; below it the scratch folder shows when that is unmounted. */
	begin("mkdir d && touch d/f");
	file = world_id(&w, "d/f");
	world_run(&w, "cd .. && mount -t tmpfs other tree && touch tree/stranger");
	world_await_said(&w, "files is offline");
	world_settle(&w);
	assert_int_equal(world_id(&w, "d/f"), file);
	assert_int_equal(world_id(&w, "stranger"), 0);
	world_run(&w, "cd .. && umount tree");
	world_await_said(&w, "files is back");
	settle_equal();
	assert_int_equal(world_id(&w, "d/f"), file);
}

/* --- limits --- */

struct held {
	atomic_bool held, release;
};

static int hold_gate(struct txn *txn, void *arg)
{
	struct held *held = arg;

	atomic_store(&held->held, true);
	while (!atomic_load(&held->release))
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return 0;
}

static void *hold_gate_on_thread(void *arg)
{
	library_write(&w.library, hold_gate, arg);
	return NULL;
}

static unsigned queue_limit(void)
{
	unsigned limit = 16384;
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	if (file) {
		if (fscanf(file, "%u", &limit) != 1)
			limit = 16384;
		fclose(file);
	}
	return limit;
}

/* The index thread waits for the gate while more happens than the kernel keeps. */
static void an_overflow_loses_nothing(void **state)
{
	_cleanup_(close_fd) int dir = -1;
	struct held held = {.held = false};
	pthread_t thread;
	char name[64];

	if (queue_limit() > 100000) {
		print_message("skipped: the queue holds %u events\n", queue_limit());
		skip();
	}
	begin("mkdir d e && touch e/victim");
	assert_int_equal(pthread_create(&thread, NULL, hold_gate_on_thread, &held), 0);
	while (!atomic_load(&held.held))
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	world_write(&w, "first", "makes the index thread want to write");
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL); /* it does by now, or sees the rest as it comes */
	dir = open(w.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < queue_limit() / 2 + 1000; i++) {
		snprintf(name, sizeof(name), "d/%u", i);
		assert_int_equal(mknodat(dir, name, S_IFREG | 0644, 0), 0);
		assert_int_equal(fchmodat(dir, name, 0600, 0), 0);
	}
	world_run(&w, "rm e/victim && touch e/late");
	atomic_store(&held.release, true);
	pthread_join(thread, NULL);
	settle_equal();
	world_run(&w, "touch e/later");
	settle_equal();
}

/* The library is on a filesystem of its own that becomes full: nothing is lost, and it goes on when there is room. */
static void a_full_disk_is_survived(void **state)
{
	_cleanup_(free_ptr) char *small = NULL, *old = NULL;
	struct world on_small;

	if (!world_may_mount(&w)) {
		print_message("skipped: mount(2) is not allowed here\n");
		skip();
	}
	old = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
	small = scratch_path(&w.library.scratch, "small");
	world_run(&w, "mkdir ../small && mount -t tmpfs -o size=6m none ../small");
	setenv("TMPDIR", small, 1);
	world_init(&on_small);
	world_start(&on_small, true, false);
	world_settle(&on_small);
	world_run(&on_small, "head -c 100000000 /dev/zero > ../filler 2>/dev/null; cd ../tree && mkdir -p $(seq 400)");
	world_await_said(&on_small, "The catalogue cannot be written");
	world_run(&on_small, "rmdir 7 && mkdir late");
	world_run(&on_small, "rm ../filler");
	world_await_said(&on_small, "can be written again");
	world_settle(&on_small);
	world_assert_equal(&on_small);
	world_release(&on_small);
	world_run(&w, "umount ../small");
	if (old)
		setenv("TMPDIR", old, 1);
	else
		unsetenv("TMPDIR");
}

static bool write_file(const char *path, const char *text)
{
	_cleanup_(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

enum { LIMIT_WORKS = 0, LIMIT_FAILS = 1, LIMIT_IMPOSSIBLE = 2 };

/* In a process of its own, whose user namespace allows it 20 watches. */
static int live_with_few_watches(void)
{
	struct index_status status;
	char map[64];

	snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
	if (unshare(CLONE_NEWUSER) < 0 || !write_file("/proc/self/uid_map", map) ||
	    !write_file("/proc/sys/user/max_inotify_watches", "20"))
		return LIMIT_IMPOSSIBLE;
	world_init(&w);
	world_run(&w, "mkdir -p $(seq 100) && for i in $(seq 100); do touch $i/f; done");
	world_start(&w, true, false);
	world_settle(&w);
	index_status(w.index, &status);
	if (!status.watch_limited || status.watches > 20 || !world_said(&w, "sysctl fs.inotify.max_user_watches="))
		return LIMIT_FAILS;
	world_assert_equal(&w);
	/* What is not watched is found by a compare; what is watched shows at once. */
	world_run(&w, "for i in $(seq 100); do touch $i/g; done && touch top");
	world_settle(&w);
	if (world_id(&w, "top") == 0)
		return LIMIT_FAILS;
	world_rescan(&w);
	world_settle(&w);
	world_assert_equal(&w);
	world_release(&w);
	return LIMIT_WORKS;
}

static void the_limit_of_watches(void **state)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(live_with_few_watches());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == LIMIT_IMPOSSIBLE) {
		print_message("skipped: no user namespace with a limit of its own here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), LIMIT_WORKS);
}

/* --- life --- */

static void locations_come_and_go(void **state)
{
	begin("mkdir d && touch d/f");
	index_removed(w.index, w.location);
	world_run(&w, "touch unseen");
	world_settle(&w);
	assert_int_equal(world_id(&w, "unseen"), 0);
	index_added(w.index, w.location);
	settle_equal();
	index_removed(w.index, w.location);
	index_removed(w.index, 4711);
}

static void a_refresh_looks_at_the_file(void **state)
{
	int64_t file;

	world_run(&w, "touch f");
	world_start(&w, false, false);
	world_rescan(&w);
	world_write(&w, "f", "longer");
	file = world_id(&w, "f");
	for (unsigned i = 0; i < 5000; i++)
		index_refresh(w.index, file);
	index_refresh(w.index, 4711);
	settle_equal();
}

static void a_file_being_written_is_followed(void **state)
{
	_cleanup_(free_ptr) char *path = world_path(&w, "log");
	_cleanup_(close_fd) int fd = -1;

	world_start(&w, true, true);
	world_settle(&w);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(write(fd, "0123456789", 10), 10);
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
	settle_equal();
	assert_false(world_has_content(&w, "log")); /* it is open still */
	close(TAKE_FD(fd));
	world_settle_hashed(&w);
	assert_true(world_has_content(&w, "log"));
	world_assert_equal(&w);
}

static void stopping_is_quick(void **state)
{
	uint64_t from;

	world_run(&w, "mkdir -p $(seq 300) && for i in $(seq 300); do (cd $i && seq 100 | xargs touch); done");
	world_start(&w, true, true);
	nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL); /* anywhere in the scan */
	from = clock_monotonic_ms();
	world_stop(&w);
	print_message("stopped in %llu ms\n", (unsigned long long)(clock_monotonic_ms() - from));
	world_start(&w, true, false);
	settle_equal();
	assert_int_equal(world_state(&w), LOCATION_READY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_limit_of_watches), /* first: it forks, so no thread may be there */
	    TEST(made_changed_renamed_deleted),
	    TEST(changes_show_soon),
	    TEST(a_renamed_folder_keeps_what_is_below),
	    TEST(moved_out_and_in_again),
	    TEST(editors_keep_the_file),
	    TEST(a_slow_save_keeps_the_file),
	    TEST(a_tagged_file_over_another),
	    TEST(hard_links_follow_their_file),
	    TEST(ignore_files_count_at_once),
	    TEST(many_names_at_once),
	    TEST(random_changes_end_equal),
	    TEST(symlinks_are_not_followed),
	    TEST(a_hostile_swap_never_leads_outside),
	    TEST(the_root_goes_and_comes_back),
	    TEST(another_folder_in_its_place),
	    TEST(other_filesystems_are_not_entered),
	    TEST(an_unmounted_root_is_offline),
	    TEST(an_overflow_loses_nothing),
	    TEST(a_full_disk_is_survived),
	    TEST(locations_come_and_go),
	    TEST(a_refresh_looks_at_the_file),
	    TEST(a_file_being_written_is_followed),
	    TEST(stopping_is_quick),
	};

	cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
