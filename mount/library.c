#include "mount/library.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/key.h"
#include "base/log.h"
#include "fs/tree.h"
#include "index/index.h"
#include "mount/anchoring.h"
#include "mount/holder.h"
#include "mount/network.h"
#include "mount/statedir.h"
#include "store/event.h"
#include "store/store.h"

int library_load_key(const struct library *library, struct out *out, struct key **ret_key)
{
	_cleanup_(free_ptr) char *path = NULL;
	int r = statedir_file(&library->id, "key", &path);

	if (r == 0)
		r = key_load(path, ret_key);
	if (r == -ENOENT)
		out_error(out,
			  "%s belongs to another device: the key that it was made with is not here (%s). If it is "
			  "yours, bring that key back from a backup, or point $SHELF_STATE_DIR to its folder",
			  library->dir, path);
	else if (r == -EACCES)
		out_error(out, "the key %s may be read by this user alone: `chmod 600` it, and be its owner", path);
	else if (r < 0)
		out_fail(out, r, "cannot read the key %s", path ? path : "of this device");
	return r == -ENOENT ? -EPERM : r;
}

static int open_store(struct library *library, struct out *out)
{
	_cleanup_(key_freep) struct key *key = NULL;
	int r = store_peek(library->dir, &library->id);

	if (r < 0) {
		out_fail(out, r, "cannot open the library %s", library->dir);
		return r;
	}
	r = library_load_key(library, out, &key);
	if (r < 0)
		return r;
	r = store_open(library->dir, key, &library->store);
	if (r == -ERR_WRONG_KEY)
		out_error(out, "%s belongs to another device: it was made with another key than the one here",
			  library->dir);
	else if (r == -ERR_STALE)
		out_error(out, "%s was made by a newer version of shelf: update this one", library->dir);
	else if (r < 0)
		out_fail(out, r, "cannot open the library %s", library->dir);
	return r;
}

/* A command of its own has no log: only what keeps it from going on is worth a line on the terminal. */
static void index_says(void *arg, const char *level, const char *text)
{
	struct library *library = arg;

	if (strcmp(level, "error") == 0)
		log_error("%s", text);
	else if (library->is_daemon && strcmp(level, "warning") == 0)
		log_warn("%s", text);
	else if (library->is_daemon)
		log_info("%s", text);
	(void)event_add(library->store, level, text);
}

static int start_index(struct library *library)
{
	struct index_opts opts = {
	    .watch = library->is_daemon,
	    .hash = library->is_daemon,
	    .forbidden = library->forbidden,
	    .say = index_says,
	    .arg = library,
	};

	return index_start(library->store, &opts, &library->index);
}

static void entry_is_stale(void *arg, int64_t entry)
{
	struct library *library = arg;

	index_refresh(library->index, entry);
}

static int make_tree(struct library *library)
{
	struct fs_opts opts = {
	    .uid = geteuid(),
	    .gid = getegid(),
	    .mountpoint = library->mountpoint,
	    .stale = entry_is_stale,
	    .arg = library,
	};

	return fs_new(library->store, &opts, &library->fs);
}

/* Interrupts are for the thread that called: the others must not be disturbed in their system calls. */
static int open_parts(struct library *library, struct out *out)
{
	sigset_t interrupts, before;
	int r;

	sigemptyset(&interrupts);
	sigaddset(&interrupts, SIGINT);
	sigaddset(&interrupts, SIGTERM);
	sigaddset(&interrupts, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &interrupts, &before);
	r = open_store(library, out);
	if (r == 0)
		r = anchoring_open(library, out, &library->anchoring);
	if (r == 0) {
		r = start_index(library);
		if (r == 0)
			r = make_tree(library);
		if (r < 0)
			out_fail(out, r, "cannot start with the library %s", library->dir);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int library_open(const char *dir, int lock_fd, const struct library_opts *opts, struct out *out,
		 struct library **ret_library)
{
	struct library *library = calloc(1, sizeof(*library));
	int r;

	if (!library)
		return -ENOMEM;
	if (!opts->is_daemon && !getenv("SHELF_LOG")) /* a terminal is no log */
		log_set_level(LOG_WARN);
	library->lock_fd = -1;
	library->is_daemon = opts->is_daemon;
	library->dir = strdup(dir);
	library->mountpoint = opts->mountpoint ? strdup(opts->mountpoint) : NULL;
	library->forbidden[0] = library->dir;
	library->forbidden[1] = library->mountpoint;
	r = library->dir && (library->mountpoint || !opts->mountpoint) ? open_parts(library, out) : -ENOMEM;
	if (r < 0) {
		library_close(library);
		return r;
	}
	library->lock_fd = lock_fd;
	*ret_library = library;
	return 0;
}

void library_close(struct library *library)
{
	if (!library)
		return;
	network_stop(library->network);
	fs_free(library->fs);
	index_stop(library->index);
	anchoring_close(library->anchoring);
	store_close(library->store);
	if (library->lock_fd >= 0) {
		holder_clear(library->lock_fd, &library->id);
		close(library->lock_fd);
	}
	free(library->dir);
	free(library->mountpoint);
	free(library);
}
