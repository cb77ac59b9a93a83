/* Changes that did not come through the mount: the kernel remembers for a day, so what is seen afterwards is what the
 * notifier told it. Each row of protocols.md 6.3, with names that the kernel knows and with names that it does not; and
 * the race between a slow handler and an invalidation.
 *
 * Handlers are made slow by the linker (--wrap): a wrapped fs_* call holds its finished answer until it is let go. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/collection.h"
#include "store/device.h"
#include "store/pair.h"
#include "tests/e2e/world.h"
#include "tests/lib/test.h"

#define DEADLINE_MS 5000 /* the promise is one second; sanitizers on a busy machine need more */

/* --- handlers that wait --- */

enum held { HELD_NONE, HELD_LOOKUP, HELD_GETATTR, HELD_READLINK, HELD_LIST };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum held wanted; /* the next call of this kind waits */
	bool inside;      /* one waits */
} hold = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void hold_here(enum held call)
{
	pthread_mutex_lock(&hold.lock);
	if (hold.wanted == call) {
		hold.inside = true;
		pthread_cond_broadcast(&hold.changed);
		while (hold.wanted == call)
			pthread_cond_wait(&hold.changed, &hold.lock);
		hold.inside = false;
	}
	pthread_mutex_unlock(&hold.lock);
}

static void hold_next(enum held call)
{
	pthread_mutex_lock(&hold.lock);
	hold.wanted = call;
	pthread_mutex_unlock(&hold.lock);
}

static void hold_wait(void)
{
	pthread_mutex_lock(&hold.lock);
	while (!hold.inside)
		pthread_cond_wait(&hold.changed, &hold.lock);
	pthread_mutex_unlock(&hold.lock);
}

static void hold_release(void)
{
	pthread_mutex_lock(&hold.lock);
	hold.wanted = HELD_NONE;
	pthread_cond_broadcast(&hold.changed);
	pthread_mutex_unlock(&hold.lock);
}

int __real_fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret_attr);
int __wrap_fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret_attr);
int __wrap_fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret_attr)
{
	int r = __real_fs_lookup(fs, parent, name, ret_attr);

	if (strncmp(name, "slow", 4) == 0)
		hold_here(HELD_LOOKUP);
	return r;
}

int __real_fs_getattr(struct fs *fs, uint64_t ino, struct fs_attr *ret_attr);
int __wrap_fs_getattr(struct fs *fs, uint64_t ino, struct fs_attr *ret_attr);
int __wrap_fs_getattr(struct fs *fs, uint64_t ino, struct fs_attr *ret_attr)
{
	int r = __real_fs_getattr(fs, ino, ret_attr);

	hold_here(HELD_GETATTR);
	return r;
}

int __real_fs_readlink(struct fs *fs, uint64_t ino, struct buf *ret_target);
int __wrap_fs_readlink(struct fs *fs, uint64_t ino, struct buf *ret_target);
int __wrap_fs_readlink(struct fs *fs, uint64_t ino, struct buf *ret_target)
{
	int r = __real_fs_readlink(fs, ino, ret_target);

	hold_here(HELD_READLINK);
	return r;
}

int __real_fs_list(struct fs *fs, uint64_t dir, uint64_t offset, bool plus, fs_fill_fn *fill, void *arg);
int __wrap_fs_list(struct fs *fs, uint64_t dir, uint64_t offset, bool plus, fs_fill_fn *fill, void *arg);
int __wrap_fs_list(struct fs *fs, uint64_t dir, uint64_t offset, bool plus, fs_fill_fn *fill, void *arg)
{
	int r = __real_fs_list(fs, dir, offset, plus, fill, arg);

	hold_here(HELD_LIST);
	return r;
}

/* --- what a client sees --- */

static bool listed(const char *dir, const char *name)
{
	DIR *d = opendir(dir);
	bool found = false;

	if (!d)
		return false;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		found = found || strcmp(e->d_name, name) == 0;
	closedir(d);
	return found;
}

static int count_in(const char *dir)
{
	DIR *d = opendir(dir);
	int count = 0;

	if (!d)
		return -1;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return count;
}

/* Listing and look-up agree that the name is there, or that it is not. */
static bool is_there(const char *dir, const char *name)
{
	_cleanup_(free_ptr) char *path = world_path(dir, name);
	struct stat st;

	return listed(dir, name) && lstat(path, &st) == 0;
}

static bool is_gone(const char *dir, const char *name)
{
	_cleanup_(free_ptr) char *path = world_path(dir, name);
	struct stat st;

	return !listed(dir, name) && lstat(path, &st) < 0 && errno == ENOENT;
}

static long long size_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (long long)st.st_size : -1;
}

static bool leads_to(const char *link, const char *end)
{
	char target[512];
	ssize_t n = readlink(link, target, sizeof(target));
	size_t len = strlen(end);

	return n >= (ssize_t)len && memcmp(target + n - len, end, len) == 0;
}

/* The state comes within the deadline, and then it stays. */
#define assert_becomes(condition)                                          \
	do {                                                               \
		uint64_t start_ = clock_monotonic_ms();                    \
		while (!(condition)) {                                     \
			if (clock_monotonic_ms() - start_ > DEADLINE_MS)   \
				fail_msg("never became: %s", #condition); \
			poll(NULL, 0, 5);                                  \
		}                                                          \
		for (int i_ = 0; i_ < 10; i_++) {                          \
			poll(NULL, 0, 2);                                  \
			assert_true(condition);                            \
		}                                                          \
	} while (0)

/* --- changes that somebody else makes --- */

struct change {
	int64_t id, other;
	const char *name;
	uint64_t size;
	struct entry_place place;
	struct entry_attr attr;
};

static void change(struct world *w, int (*fn)(struct txn *txn, void *arg), struct change *c)
{
	assert_int_equal(library_write(&w->library, fn, c), 0);
}

static int do_resize(struct txn *txn, void *arg)
{
	struct change *c = arg;
	struct entry_attr attr = { .mode = S_IFREG | 0644, .size = c->size, .mtime_ns = 5000, .ino = 1, .btime_ns = 7 };

	return entry_update(txn, c->id, &attr);
}

static void resize(struct world *w, int64_t entry, uint64_t size)
{
	struct change c = { .id = entry, .size = size };

	change(w, do_resize, &c);
}

static int do_move(struct txn *txn, void *arg)
{
	struct change *c = arg;

	return entry_move(txn, c->id, c->other, c->name, strlen(c->name));
}

static void move(struct world *w, int64_t entry, int64_t parent, const char *name)
{
	struct change c = { .id = entry, .other = parent, .name = name };

	change(w, do_move, &c);
}

/* The name goes to another object in one transaction. */
static int do_replace(struct txn *txn, void *arg)
{
	struct change *c = arg;
	int r = entry_delete(txn, c->id);

	return r < 0 ? r : entry_insert(txn, &c->place, &c->attr, &c->other);
}

static int do_rename_collection(struct txn *txn, void *arg)
{
	struct change *c = arg;

	return collection_rename(txn, c->id, c->name, strlen(c->name));
}

static int do_remove_collection(struct txn *txn, void *arg)
{
	struct change *c = arg;

	return collection_remove(txn, c->id);
}

static int do_remove_pair(struct txn *txn, void *arg)
{
	struct change *c = arg;

	return pair_remove(txn, c->id);
}

static int do_rename_pair(struct txn *txn, void *arg)
{
	struct change *c = arg;

	return pair_rename(txn, c->id, c->name, strlen(c->name), 0);
}

static int do_move_pair(struct txn *txn, void *arg)
{
	struct change *c = arg;

	return pair_move(txn, c->id, c->other, c->name, strlen(c->name), 0);
}

static int do_rename_device(struct txn *txn, void *arg)
{
	struct change *c = arg;

	return device_rename(txn, c->id, c->name, strlen(c->name));
}

/* --- the rows of the table: each once with all that is around it in the kernel's cache, once with nothing --- */

static struct world *w;
static bool warm;

static void look(const char *dir, const char *name)
{
	if (!warm)
		return;
	_cleanup_(free_ptr) char *path = world_path(dir, name);
	char target[512];
	struct stat st;
	for (int round = 0; round < 2; round++) {
		listed(dir, name);
		if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
			assert_true(readlink(path, target, sizeof(target)) > 0);
	}
}

static void row_added(void **state)
{
	look(w->photos, "new");
	library_file(&w->library, w->location, w->root, "new", 5);
	assert_becomes(is_there(w->photos, "new"));
}

static void row_removed(void **state)
{
	int64_t id = library_file(&w->library, w->location, w->root, "old", 5);

	assert_becomes(is_there(w->photos, "old"));
	look(w->photos, "old");
	library_delete(&w->library, id);
	assert_becomes(is_gone(w->photos, "old"));
}

static void row_renamed(void **state)
{
	int64_t dir = library_dir(&w->library, w->location, w->root, "there");
	int64_t id = library_file(&w->library, w->location, w->root, "before", 5);
	_cleanup_(free_ptr) char *there = world_path(w->photos, "there");

	look(w->photos, "before");
	look(w->photos, "after");
	look(there, "moved");
	move(w, id, w->root, "after");
	assert_becomes(is_gone(w->photos, "before"));
	assert_becomes(is_there(w->photos, "after"));
	move(w, id, dir, "moved");
	assert_becomes(is_gone(w->photos, "after"));
	assert_becomes(is_there(there, "moved"));
}

static void row_attributes(void **state)
{
	int64_t id = library_file(&w->library, w->location, w->root, "sized", 1);
	_cleanup_(free_ptr) char *path = world_path(w->photos, "sized");

	look(w->photos, "sized");
	for (uint64_t size = 2; size < 20; size++) {
		resize(w, id, size);
		assert_becomes(size_of(path) == (long long)size);
	}
}

static void row_another_object(void **state)
{
	struct change c = { .id = library_file(&w->library, w->location, w->root, "same", 1) };
	_cleanup_(free_ptr) char *path = world_path(w->photos, "same");

	look(w->photos, "same");
	c.place = (struct entry_place){ .location = w->location, .parent = w->root, .name = "same", .name_len = 4 };
	c.attr = (struct entry_attr){ .mode = S_IFDIR | 0755, .mtime_ns = 1, .ino = 99, .btime_ns = 3 };
	change(w, do_replace, &c);
	struct stat st;
	assert_becomes(lstat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static void row_content_of_a_file(void **state)
{
	int64_t id = world_file(w, w->root, "text", "first");
	_cleanup_(free_ptr) char *real = world_path(w->real, "text");
	_cleanup_(free_ptr) char *path = world_path(w->photos, "text");
	char got[16] = "";

	for (int i = 0; i < 2; i++) {
		_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(fd, got, sizeof(got)), 5);
	}
	FILE *file = fopen(real, "we");
	fputs("second!", file);
	fclose(file);
	/* Before the row is refreshed: that open reads past the cache. */
	_cleanup_(close_fd) int early = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(early, got, sizeof(got)), 7);
	assert_memory_equal(got, "second!", 7);
	library_delete(&w->library, id);
	world_entry(w, w->root, "text");
	assert_becomes(size_of(path) == 7);
	_cleanup_(close_fd) int late = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(late, got, sizeof(got)), 7);
	assert_memory_equal(got, "second!", 7);
}

static void row_tags(void **state)
{
	_cleanup_(free_ptr) char *tags = world_path(w->mount, "tags");
	_cleanup_(free_ptr) char *red = world_path(tags, "red");
	_cleanup_(free_ptr) char *blue = world_path(tags, "blue");
	int64_t file = library_file(&w->library, w->location, w->root, "f", 1);
	int64_t file2 = library_file(&w->library, w->location, w->root, "g", 1);
	struct change pair = { .name = "link2" };

	look(tags, "red");
	struct change tag = { .id = library_tag(&w->library, "red"), .name = "blue" };
	assert_becomes(is_there(tags, "red"));
	look(red, "link");
	assert_int_equal(library_pair(&w->library, tag.id, file, "link", &pair.id), 0);
	assert_becomes(is_there(red, "link"));
	look(red, "link");
	change(w, do_rename_pair, &pair);
	assert_becomes(is_gone(red, "link"));
	assert_becomes(is_there(red, "link2"));
	look(tags, "red");
	look(red, "link2");
	change(w, do_rename_collection, &tag);
	assert_becomes(is_gone(tags, "red"));
	assert_becomes(is_there(blue, "link2"));
	/* A second one of the same name, so one has a suffix; then the plain one goes. */
	struct change twin = { 0 };
	assert_int_equal(library_pair(&w->library, tag.id, file2, "link2", &twin.id), 0);
	assert_becomes(is_there(blue, "link2") && count_in(blue) == 2);
	change(w, do_remove_pair, &pair);
	assert_becomes(count_in(blue) == 1 && is_there(blue, "link2"));
	_cleanup_(free_ptr) char *link = world_path(blue, "link2");
	assert_becomes(leads_to(link, "/g"));
	change(w, do_remove_pair, &twin);
	assert_becomes(count_in(blue) == 0);
	change(w, do_remove_collection, &tag);
	assert_becomes(is_gone(tags, "blue"));
}

static void row_between_collections(void **state)
{
	_cleanup_(free_ptr) char *from = world_path(w->mount, "tags/from");
	_cleanup_(free_ptr) char *to = world_path(w->mount, "albums/to");
	int64_t file = library_file(&w->library, w->location, w->root, "between", 1);
	struct change c = { .name = "there", .other = library_album(&w->library, "to") };

	assert_int_equal(library_pair(&w->library, library_tag(&w->library, "from"), file, "here", &c.id), 0);
	look(from, "here");
	look(to, "there");
	change(w, do_move_pair, &c);
	assert_becomes(is_gone(from, "here"));
	assert_becomes(is_there(to, "there"));
}

/* Where a link leads changes when the file, a directory above it, or the device gets another name. */
static void row_targets(void **state)
{
	int64_t dir = library_dir(&w->library, w->location, w->root, "dir");
	int64_t file = library_file(&w->library, w->location, dir, "file", 1);
	_cleanup_(free_ptr) char *tag = world_path(w->mount, "tags/t");
	_cleanup_(free_ptr) char *link = world_path(tag, "link");
	_cleanup_(free_ptr) char *devices = world_path(w->mount, "devices");
	struct change device = { .id = store_info(w->library.store)->device_row, .name = "desk" };

	assert_int_equal(library_pair(&w->library, library_tag(&w->library, "t"), file, "link", NULL), 0);
	look(tag, "link");
	move(w, file, dir, "file2");
	assert_becomes(leads_to(link, "devices/laptop/photos/dir/file2"));
	move(w, dir, w->root, "dir2");
	assert_becomes(leads_to(link, "devices/laptop/photos/dir2/file2"));
	look(devices, "laptop");
	change(w, do_rename_device, &device);
	assert_becomes(leads_to(link, "devices/desk/photos/dir2/file2"));
	assert_becomes(is_there(devices, "desk"));
	assert_becomes(is_gone(devices, "laptop"));
	library_delete(&w->library, file);
	assert_becomes(is_gone(tag, "link"));
}

static int errno_of_readlink(const char *path)
{
	char target[64];

	return readlink(path, target, sizeof(target)) < 0 ? errno : 0;
}

/* A symlink in a location that leads outside of it once a directory above has moved. */
static void row_real_links(void **state)
{
	int64_t sub = world_dir(w, w->root, "sub"), deep = world_dir(w, sub, "sub/deep");
	_cleanup_(free_ptr) char *before = world_path(w->real, "sub/deep"), *after = world_path(w->real, "deep");
	_cleanup_(free_ptr) char *link = world_path(w->photos, "sub/deep/link");
	_cleanup_(free_ptr) char *moved = world_path(w->photos, "deep/link");

	world_link(w, deep, "sub/deep/link", "../../x");
	for (int i = 0; i < 3; i++)
		assert_int_equal(errno_of_readlink(link), 0);
	_cleanup_(close_fd) int fd = open(link, O_PATH | O_NOFOLLOW | O_CLOEXEC); /* the kernel keeps the inode */
	assert_true(fd >= 0);
	assert_int_equal(rename(before, after), 0);
	move(w, deep, w->root, "deep");
	assert_becomes(errno_of_readlink(moved) == EPERM);
}

/* --- slow handlers --- */

struct probe {
	char *path;
	int fd; /* O_PATH: asks for attributes of the object, not of the name */
};

static void *probe_lookup(void *arg)
{
	struct probe *p = arg;

	size_of(p->path);
	return NULL;
}

static void *probe_getattr(void *arg)
{
	struct probe *p = arg;
	struct stat st;

	fstat(p->fd, &st);
	return NULL;
}

static void *probe_list(void *arg)
{
	struct probe *p = arg;

	listed(p->path, "x");
	return NULL;
}

static void *probe_readlink(void *arg)
{
	struct probe *p = arg;
	char target[512];

	return readlink(p->path, target, sizeof(target)) < 0 ? p : NULL;
}

/* Starts a client whose handler holds the present state. */
static void catch(enum held call, void *(*probe)(void *), struct probe *p, pthread_t *ret_thread)
{
	hold_next(call);
	assert_int_equal(pthread_create(ret_thread, NULL, probe, p), 0);
	hold_wait();
}

/* The notifier had time to make the mistake; then the old state goes out. */
static void let_go(pthread_t thread)
{
	poll(NULL, 0, 100);
	hold_release();
	pthread_join(thread, NULL);
}

static void test_slow_lookup(void **state)
{
	int64_t id = library_file(&w->library, w->location, w->root, "slow", 1);
	struct probe p = { .path = world_path(w->photos, "slow") };
	pthread_t thread;

	assert_true(lstat(w->photos, &(struct stat){ 0 }) == 0);
	catch(HELD_LOOKUP, probe_lookup, &p, &thread);
	resize(w, id, 2);
	let_go(thread);
	assert_becomes(size_of(p.path) == 2);
	free(p.path);
}

/* A name that the kernel knows and looks up anew: it holds no lock on the directory then. */
static void test_slow_revalidation(void **state)
{
	int64_t id = library_file(&w->library, w->location, w->root, "slow", 1);
	struct probe p = { .path = world_path(w->photos, "slow") };
	pthread_t thread;

	assert_becomes(size_of(p.path) == 1);
	resize(w, id, 2);
	assert_becomes(size_of(p.path) == 2);
	resize(w, id, 3);
	poll(NULL, 0, 200); /* the name is expired now */
	catch(HELD_LOOKUP, probe_lookup, &p, &thread);
	library_delete(&w->library, id);
	let_go(thread);
	assert_becomes(is_gone(w->photos, "slow"));
	free(p.path);
}

static void test_slow_getattr(void **state)
{
	int64_t id = library_file(&w->library, w->location, w->root, "f", 1);
	struct probe p = { .path = world_path(w->photos, "f") };
	struct stat st;
	pthread_t thread;

	p.fd = open(p.path, O_PATH | O_CLOEXEC);
	assert_true(p.fd >= 0);
	resize(w, id, 2); /* drops the attributes, so that the next fstat asks */
	assert_becomes(fstat(p.fd, &st) == 0 && st.st_size == 2);
	resize(w, id, 3);
	poll(NULL, 0, 200);
	catch(HELD_GETATTR, probe_getattr, &p, &thread);
	resize(w, id, 4);
	let_go(thread);
	assert_becomes(fstat(p.fd, &st) == 0 && st.st_size == 4);
	assert_becomes(size_of(p.path) == 4);
	close(p.fd);
	free(p.path);
}

/* Attributes that come with a listing, for names and objects that the kernel has not heard of. */
static void test_slow_listing(void **state)
{
	int64_t dir = library_dir(&w->library, w->location, w->root, "dir");
	int64_t file = library_file(&w->library, w->location, dir, "f", 1);
	int64_t gone = library_file(&w->library, w->location, dir, "gone", 1);
	struct probe p = { .path = world_path(w->photos, "dir") };
	_cleanup_(free_ptr) char *path = world_path(p.path, "f");
	pthread_t thread;

	assert_true(lstat(p.path, &(struct stat){ 0 }) == 0);
	catch(HELD_LIST, probe_list, &p, &thread);
	resize(w, file, 2);
	library_delete(&w->library, gone);
	library_file(&w->library, w->location, dir, "new", 1);
	let_go(thread);
	assert_becomes(size_of(path) == 2);
	assert_becomes(is_gone(p.path, "gone"));
	assert_becomes(is_there(p.path, "new"));
	free(p.path);
}

/* Nothing but an addition: no name makes the kernel wait for the listing that is under way. */
static void test_slow_listing_of_added(void **state)
{
	int64_t dir = library_dir(&w->library, w->location, w->root, "dir");
	struct probe p = { .path = world_path(w->photos, "dir") };
	pthread_t thread;

	library_file(&w->library, w->location, dir, "f", 1);
	assert_true(lstat(p.path, &(struct stat){ 0 }) == 0);
	catch(HELD_LIST, probe_list, &p, &thread);
	library_file(&w->library, w->location, dir, "new", 1);
	let_go(thread);
	assert_becomes(is_there(p.path, "new"));
	free(p.path);
}

static void test_slow_readlink(void **state)
{
	int64_t file = library_file(&w->library, w->location, w->root, "f", 1);
	struct probe p = { .path = world_path(w->mount, "tags/t/link") };
	pthread_t thread;

	assert_int_equal(library_pair(&w->library, library_tag(&w->library, "t"), file, "link", NULL), 0);
	assert_true(lstat(p.path, &(struct stat){ 0 }) == 0);
	catch(HELD_READLINK, probe_readlink, &p, &thread);
	move(w, file, w->root, "g");
	let_go(thread);
	assert_becomes(leads_to(p.path, "photos/g"));
	free(p.path);
}

/* Stopping while a handler is slow and the notifier waits for it. */
static void test_stop_while_slow(void **state)
{
	int64_t id = library_file(&w->library, w->location, w->root, "slow", 1);
	struct probe p = { .path = world_path(w->photos, "slow") };
	pthread_t thread;

	assert_true(lstat(w->photos, &(struct stat){ 0 }) == 0);
	catch(HELD_LOOKUP, probe_lookup, &p, &thread);
	resize(w, id, 2);
	session_stop(w->session);
	let_go(thread);
	world_unmount(w);
	assert_int_equal(w->run_result, 0);
	free(p.path);
}

/* Listings and look-ups by several clients while names and sizes change all the time: when it is quiet again, all that
 * the kernel says is what the catalogue says. */
#define CROWD 40

struct crowd {
	pthread_t thread;
	atomic_bool *end;
	unsigned seed;
};

static void *crowd_main(void *arg)
{
	struct crowd *c = arg;
	char name[32];

	while (!*c->end) {
		snprintf(name, sizeof(name), "n%d", rand_r(&c->seed) % CROWD);
		_cleanup_(free_ptr) char *path = world_path(w->photos, name);
		size_of(path);
		if (rand_r(&c->seed) % 8 == 0)
			listed(w->photos, name);
	}
	return NULL;
}

static bool crowd_is_right(const int64_t *ids, const uint64_t *sizes)
{
	for (int i = 0; i < CROWD; i++) {
		char name[32];
		snprintf(name, sizeof(name), "n%d", i);
		_cleanup_(free_ptr) char *path = world_path(w->photos, name);
		bool right = ids[i] ? listed(w->photos, name) && size_of(path) == (long long)sizes[i] :
				      is_gone(w->photos, name);
		if (!right)
			return false;
	}
	return true;
}

static void test_crowd(void **state)
{
	const char *seconds = getenv("SHELF_STRESS_SECONDS");
	uint64_t end_ms = clock_monotonic_ms() + 1000 * (seconds ? strtoul(seconds, NULL, 10) : 5);
	int64_t ids[CROWD] = { 0 };
	uint64_t sizes[CROWD] = { 0 };
	atomic_bool end = false;
	struct crowd crowd[4];
	unsigned seed = 1;

	for (unsigned i = 0; i < 4; i++) {
		crowd[i] = (struct crowd){ .end = &end, .seed = i };
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, crowd_main, &crowd[i]), 0);
	}
	for (uint64_t step = 1; clock_monotonic_ms() < end_ms; step++) {
		int i = rand_r(&seed) % CROWD;
		char name[32];
		snprintf(name, sizeof(name), "n%d", i);
		if (!ids[i]) {
			sizes[i] = step;
			ids[i] = library_file(&w->library, w->location, w->root, name, step);
		} else if (rand_r(&seed) % 3 == 0) {
			library_delete(&w->library, ids[i]);
			ids[i] = 0;
		} else {
			sizes[i] = step;
			resize(w, ids[i], step);
		}
		if (step % 200 == 0)
			assert_becomes(crowd_is_right(ids, sizes));
	}
	assert_becomes(crowd_is_right(ids, sizes));
	end = true;
	for (unsigned i = 0; i < 4; i++)
		pthread_join(crowd[i].thread, NULL);
	assert_becomes(crowd_is_right(ids, sizes));
}

static int setup_cold(void **state)
{
	warm = false;
	w = calloc(1, sizeof(*w));
	world_init(w);
	world_mount(w);
	return 0;
}

static int setup_warm(void **state)
{
	setup_cold(state);
	warm = true;
	return 0;
}

static int teardown(void **state)
{
	hold_release();
	library_assert_clean(&w->library);
	world_release(w);
	free(w);
	return 0;
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup_cold, teardown), \
		  cmocka_unit_test_setup_teardown(test, setup_warm, teardown)
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup_cold, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(row_added),
		ROW(row_removed),
		ROW(row_renamed),
		ROW(row_attributes),
		ROW(row_another_object),
		ROW(row_content_of_a_file),
		ROW(row_tags),
		ROW(row_between_collections),
		ROW(row_targets),
		ROW(row_real_links),
		TEST(test_slow_lookup),
		TEST(test_slow_revalidation),
		TEST(test_slow_getattr),
		TEST(test_slow_listing),
		TEST(test_slow_listing_of_added),
		TEST(test_slow_readlink),
		TEST(test_stop_while_slow),
		TEST(test_crowd),
	};

	alarm(300);
	if (!world_can_mount())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
