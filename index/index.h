/* The index thread: scans this device's locations, watches them, and computes content ids (design sections 2 to 4).
 *
 * It compares what is on disk with the rows and writes the difference; events of inotify only say where to look. So a
 * lost event costs a look, never the truth, and a scan may be cut off anywhere and run again.
 *
 * One `struct index` per open library. Threads: index_* may be called by any thread; callbacks come on the index thread,
 * holding no lock. Errors: errno and store/ errors. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/location.h"
#include "store/store.h"

struct index;

struct index_opts {
	bool watch; /* false: scan and hash on request only (commands that open the library themselves) */
	bool hash;  /* compute content ids in the background */
	const char *const *forbidden; /* NULL-terminated absolute paths (mount point, library folder) that are never entered; copied */
	/* One line for people: watch limit reached, location offline or back, folder not readable. NULL = none. */
	void (*say)(void *arg, const char *level, const char *text);
	void *arg;
};

/* Starts the threads; locations that are there are compared with the disk at once (watch) or left alone. */
int index_start(struct store *store, const struct index_opts *opts, struct index **ret_index);

/* Ends the threads; a scan under way stops at its next directory and goes on at the next start. NULL does nothing. */
void index_stop(struct index *index);

struct index_progress {
	uint64_t entries;  /* seen so far */
	uint64_t changed;  /* inserted, updated, moved, deleted */
	uint64_t unreadable; /* folders that could not be read */
	const char *path;  /* where it is, below the location */
};

/* Compares a location with the disk, all of it, and returns at the end. `progress` (NULL = none) is called on the caller's
 * thread at most every 100 ms; when it returns non-zero the scan ends with -EINTR (what was found stays).
 * Errors: -ENOENT (no such location), -ENODEV (offline: the root is gone or is another disk). */
int index_rescan(struct index *index, int64_t location, int (*progress)(void *arg, const struct index_progress *), void *arg,
		 struct index_progress *ret_total);

/* Why a location of this device is offline, as the end of a sentence: "its disk 'Photos 2TB' is not connected", or "its
 * folder /a is gone ..." (heap). Looks at the disk, so it may block as that does. Errors: -ENOENT, -ENOMEM, store/
 * errors. */
int index_why_offline(struct db *db, int64_t location, char **ret_reason);

/* Starts watching and scanning a location that was added; returns at once. */
void index_added(struct index *index, int64_t location);
/* Forgets its watches. Returns when no scan of it is under way any more. */
void index_removed(struct index *index, int64_t location);

/* An open found that the file of this entry differs from its row: look at it soon. Never blocks; safe in a handler. */
void index_refresh(struct index *index, int64_t entry);

/* Waits until all that is known to have changed is in the catalogue, and if `hashed` also all content ids. For tests and
 * commands. Errors: -ETIMEDOUT. */
int index_settle(struct index *index, uint64_t timeout_ms, bool hashed);

struct index_status {
	uint64_t watches;
	bool watch_limited; /* the limit was reached: what is not watched is rescanned periodically */
	uint64_t unhashed;  /* known so far */
	bool scanning;
};
void index_status(struct index *index, struct index_status *ret_status);

/* Whether `path` can be a location: an existing directory, absolute path in *ret_path (heap, symlinks resolved), not inside
 * another location of this device or around one, not inside `forbidden`, no pseudo filesystem. On an error *ret_reason
 * (heap) says in one sentence what is wrong and what to do. Locations that are added meanwhile make location_add fail
 * with -ERR_STALE.
 * Errors: -ENOENT, -ENOTDIR, -EACCES, -EEXIST (location at or around it), -EINVAL. */
int index_check_root(struct db *db, const char *path, const char *const *forbidden, char **ret_path,
		     struct location_new *ret_new, char **ret_reason);
