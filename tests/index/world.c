#include "tests/index/world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "store/location.h"
#include "store/pair.h"
#include "tests/lib/test.h"

/* --- the location --- */

static void hear(void *arg, const char *level, const char *text)
{
	struct world *w = arg;

	pthread_mutex_lock(&w->lock);
	if (w->said.len > 0)
		w->said.len--; /* the NUL */
	buf_printf(&w->said, "%s: %s\n", level, text);
	buf_append(&w->said, "", 1);
	pthread_mutex_unlock(&w->lock);
}

static int add_location(struct txn *txn, void *arg)
{
	struct world *w = arg;
	_cleanup_(free_ptr) char *path = NULL, *reason = NULL;
	struct location_new new;
	int r;

	r = index_check_root(txn_db(txn), w->root, NULL, &path, &new, &reason);
	assert_int_equal(r, 0);
	new.name = "files";
	return location_add(txn, &new, &w->location);
}

void world_init(struct world *w)
{
	*w = (struct world){.said = BUF_INIT};
	pthread_mutex_init(&w->lock, NULL);
	library_init(&w->library);
	w->root = scratch_path(&w->library.scratch, "tree");
	assert_int_equal(mkdir(w->root, 0755), 0);
	assert_int_equal(library_write(&w->library, add_location, w), 0);
}

void world_release(struct world *w)
{
	world_stop(w);
	library_release(&w->library);
	free(w->root);
	buf_release(&w->said);
	pthread_mutex_destroy(&w->lock);
}

void world_start(struct world *w, bool watch, bool hash)
{
	const char *const forbidden[] = {w->library.dir, NULL};
	struct index_opts opts = {.watch = watch, .hash = hash, .forbidden = forbidden, .say = hear, .arg = w};

	assert_int_equal(index_start(w->library.store, &opts, &w->index), 0);
}

void world_stop(struct world *w)
{
	index_stop(w->index);
	w->index = NULL;
}

void world_settle(struct world *w)
{
	assert_int_equal(index_settle(w->index, WORLD_WAIT_MS, false), 0);
}

void world_settle_hashed(struct world *w)
{
	assert_int_equal(index_settle(w->index, WORLD_WAIT_MS, true), 0);
}

struct index_progress world_rescan(struct world *w)
{
	struct index_progress total;

	assert_int_equal(index_rescan(w->index, w->location, NULL, NULL, &total), 0);
	return total;
}

/* --- the disk --- */

char *world_path(const struct world *w, const char *path)
{
	char *absolute;

	assert_true(asprintf(&absolute, "%s/%s", w->root, path) > 0);
	return absolute;
}

void world_write(const struct world *w, const char *path, const char *text)
{
	_cleanup_(free_ptr) char *absolute = world_path(w, path);
	FILE *file = fopen(absolute, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

void world_mkdir(const struct world *w, const char *path)
{
	_cleanup_(free_ptr) char *absolute = world_path(w, path);

	assert_int_equal(mkdir(absolute, 0755), 0);
}

void world_rename(const struct world *w, const char *from, const char *to)
{
	_cleanup_(free_ptr) char *old = world_path(w, from), *new = world_path(w, to);

	assert_int_equal(rename(old, new), 0);
}

void world_remove(const struct world *w, const char *path)
{
	_cleanup_(free_ptr) char *absolute = world_path(w, path);

	assert_int_equal(remove(absolute), 0);
}

void world_run(const struct world *w, const char *command)
{
	_cleanup_(free_ptr) char *line = NULL;

	assert_true(asprintf(&line, "cd '%s' && %s", w->root, command) > 0);
	assert_int_equal(system(line), 0);
}

bool world_may_mount(const struct world *w)
{
	_cleanup_(free_ptr) char *line = NULL;

	assert_true(
	    asprintf(&line,
		     "cd '%s' && mkdir try && mount -t tmpfs none try 2>/dev/null && umount try && rmdir try || "
		     "(rmdir try; false)",
		     w->library.scratch.path) > 0);
	return system(line) == 0;
}

/* --- the rows --- */

static int64_t child(struct world *w, int64_t parent, const char *name, size_t len, struct entry *ret_entry)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int r = entry_child(library_db(&w->library), parent, name, len, ret_entry, &rows);

	assert_true(r == 0 || r == -ENOENT);
	return r == 0 ? ret_entry->id : 0;
}

static int64_t find(struct world *w, const char *path, struct entry *ret_entry)
{
	int64_t id = library_root(&w->library, w->location);

	while (id != 0 && *path) {
		size_t len = strcspn(path, "/");

		id = child(w, id, path, len, ret_entry);
		path += len + (path[len] == '/');
	}
	return id;
}

int64_t world_id(struct world *w, const char *path)
{
	struct entry entry;

	return find(w, path, &entry);
}

bool world_has_content(struct world *w, const char *path)
{
	struct entry entry;

	assert_true(find(w, path, &entry) != 0);
	return entry.has_content;
}

enum location_state world_state(struct world *w)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;

	assert_int_equal(location_get(library_db(&w->library), w->location, &location, &rows), 0);
	return location.state;
}

uint64_t world_count(struct world *w)
{
	struct location_totals totals;

	assert_int_equal(location_totals(library_db(&w->library), w->location, &totals), 0);
	return totals.entries;
}

/* --- what was said --- */

bool world_said(struct world *w, const char *text)
{
	bool said;

	pthread_mutex_lock(&w->lock);
	said = w->said.len > 0 && strstr((const char *)w->said.data, text);
	pthread_mutex_unlock(&w->lock);
	return said;
}

void world_await_said(struct world *w, const char *text)
{
	uint64_t end = clock_monotonic_ms() + WORLD_WAIT_MS;

	while (!world_said(w, text)) {
		if (clock_monotonic_ms() > end)
			fail_msg("never said: %s; said:\n%s", text, w->said.data ? (char *)w->said.data : "nothing");
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
}

/* --- comparing --- */

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static void complain(const char *what, const char *name, const struct entry *entry)
{
	_cleanup_(free_ptr) char *shown = text_printable(name, strlen(name));

	fail_msg("%s: %s (entry %lld)", shown, what, entry ? (long long)entry->id : 0);
}

static size_t compare_dir(struct world *w, int fd, int64_t dir);

static void compare_name(struct world *w, int fd, int64_t dir, const char *name)
{
	struct entry entry = {0};
	struct stat st;

	assert_int_equal(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (child(w, dir, name, strlen(name), &entry) == 0)
		complain("has no row", name, NULL);
	if (entry.mode != st.st_mode)
		complain("has another mode", name, &entry);
	if (entry.size != (uint64_t)st.st_size)
		complain("has another size", name, &entry);
	if (entry.mtime_ns != nanoseconds(&st.st_mtim))
		complain(S_ISDIR(st.st_mode) ? "a folder, has another time"
			 : st.st_nlink > 1   ? "a link, has another time"
					     : "has another time",
			 name, &entry);
	if (entry.ino != st.st_ino)
		complain("has another inode", name, &entry);
	if (S_ISDIR(st.st_mode)) {
		_cleanup_(close_fd) int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		assert_true(below >= 0);
		compare_dir(w, below, entry.id);
	}
}

static size_t compare_dir(struct world *w, int fd, int64_t dir)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	DIR *names = fdopendir(dup(fd));
	struct entry entry;
	size_t on_disk = 0, in_rows = 0;

	assert_non_null(names);
	for (struct dirent *e = readdir(names); e; e = readdir(names)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		on_disk++;
		compare_name(w, fd, dir, e->d_name);
	}
	closedir(names);
	assert_int_equal(entry_list(library_db(&w->library), dir, 0, false, &rows), 0);
	while (entry_next(&rows, &entry) == 0)
		in_rows++;
	if (in_rows != on_disk)
		fail_msg("entry %lld: %zu rows for %zu names", (long long)dir, in_rows, on_disk);
	return on_disk;
}

void world_assert_equal(struct world *w)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	_cleanup_(close_fd) int fd = open(w->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t root = library_root(&w->library, w->location);
	struct entry entry;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(entry_get(library_db(&w->library), root, &entry, &rows), 0);
	assert_int_equal(entry.mtime_ns, nanoseconds(&st.st_mtim));
	assert_int_equal(entry.mode, st.st_mode);
	compare_dir(w, fd, root);
}

/* --- tags --- */

int64_t world_tag(struct world *w, const char *tag, const char *path)
{
	int64_t collection = library_tag(&w->library, tag);

	assert_int_equal(library_pair(&w->library, collection, world_id(w, path), "link", NULL), 0);
	return collection;
}

void world_assert_tagged(struct world *w, int64_t collection, const char *path)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t id = world_id(w, path);
	struct pair pair;

	assert_true(id != 0);
	assert_int_equal(pair_list(library_db(&w->library), collection, 0, &rows), 0);
	assert_int_equal(pair_next(&rows, &pair), 0);
	assert_int_equal(pair.entry_id, id);
	assert_int_equal(pair_next(&rows, &pair), 1);
}
