#include "mount/join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "mount/holder.h"
#include "mount/path.h"
#include "mount/statedir.h"
#include "store/audit.h"
#include "store/peer.h"
#include "store/registers.h"
#include "store/store.h"

/* Two copies of one library cannot share a state folder: it is named by the library. */
int library_join_check(const struct uuid *library, struct out *out)
{
	_cleanup_(free_ptr) char *path = NULL;
	struct stat st;
	int r = statedir_file(library, "key", &path);

	if (r == 0 && lstat(path, &st) == 0) {
		out_error(out,
			  "this user has a device in that library already, or had one: its key is %s. Use that copy; or, for a "
			  "second device of one user, set $SHELF_STATE_DIR to another folder; or, if its library folder is gone "
			  "for good, move the key away",
			  path);
		return -EEXIST;
	}
	return r;
}

static int sync_above(const char *path)
{
	_cleanup_(free_ptr) char *above = NULL;
	_cleanup_(close_fd) int fd = -1;
	int r = path_above(path, &above);

	if (r < 0)
		return r;
	fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int save_key(const struct uuid *library, const struct key *key, struct out *out)
{
	_cleanup_(free_ptr) char *path = NULL;
	int r = statedir_make(library);

	if (r == 0)
		r = statedir_file(library, "key", &path);
	if (r == 0)
		r = key_save(key, path);
	if (r < 0 && r != -EEXIST) /* else another join was faster: what is there is its own */
		statedir_remove(library);
	if (r < 0)
		out_fail(out, r, "cannot keep the key of this device in %s", path ? path : "the state folder");
	return r;
}

static int do_merge(struct txn *txn, void *arg)
{
	const struct library_join_opts *opts = arg;
	size_t merged = 0;
	int r = registers_merge(txn, &opts->introduction->device, &merged);

	return r < 0 ? r : audit_add(txn, "join", opts->introduction->name);
}

static int fill(const struct library_join_opts *opts, const char *dir, struct out *out)
{
	const struct store_write_opts interactive = {.priority = STORE_INTERACTIVE};
	struct store *store = NULL;
	int r = store_open(dir, opts->key, &store);

	if (r == 0)
		r = store_write(store, &interactive, do_merge, (void *)opts);
	if (r == 0 && opts->address)
		(void)peer_seen(store, opts->peer, clock_wall_ms(), opts->address);
	store_close(store);
	if (r == -ERR_AHEAD)
		out_error(out, "the clock of the other device is more than five minutes ahead of this one's: set them, then remove "
			       "this device there (`shelf device remove`) and join again");
	else if (r < 0)
		out_fail(out, r, "cannot write the library %s", opts->dir);
	return r;
}

static void remove_library(const char *dir)
{
	static const char *const names[] = {"database.db",	   "database.db-wal", "database.db-shm",
					    "database.db-journal", "sync.db",	      "sync.db-journal",
					    "sync.db-wal",	   "sync.db-shm",     "lock"};
	char path[4200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

/* Away from its place: what is killed here leaves no folder that looks like a library. */
static int make_aside(const struct library_join_opts *opts, const char *aside, struct out *out)
{
	const struct store_create_opts create = {
		.library_name = opts->introduction->name,
		.library = opts->introduction->library,
		.device_name = "new",
		.joins = true,
	};
	int r;

	remove_library(aside); /* of a join that was killed */
	r = store_create(aside, &create, opts->key);
	if (r == 0)
		r = holder_make_lock(aside);
	if (r < 0)
		out_fail(out, r, "cannot make the library %s", opts->dir);
	return r < 0 ? r : fill(opts, aside, out);
}

static int move_in(const char *aside, const char *dir, struct out *out)
{
	int r = renameat2(AT_FDCWD, aside, AT_FDCWD, dir, RENAME_NOREPLACE) < 0 ? -errno : 0;

	if (r == 0)
		r = sync_above(dir);
	if (r < 0)
		out_fail(out, r, "cannot make the library %s", dir);
	return r;
}

/* The key comes before the library is in its place: without it nobody could open that. */
int library_join(const struct library_join_opts *opts, struct out *out)
{
	const struct uuid *library = &opts->introduction->library;
	_cleanup_(free_ptr) char *aside = NULL;
	int r = library_join_check(library, out);

	if (r < 0)
		return r;
	if (asprintf(&aside, "%s.joining", opts->dir) < 0)
		return -ENOMEM;
	r = make_aside(opts, aside, out);
	if (r == 0)
		r = save_key(library, opts->key, out);
	if (r == 0) {
		r = move_in(aside, opts->dir, out);
		if (r < 0)
			statedir_remove(library);
	}
	if (r < 0)
		remove_library(aside);
	return r;
}
