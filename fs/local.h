/* Real files of this device's entries: where they are, and opening them so that nothing leads out of their location.
 * Internal to fs/. Threads: any.
 *
 * What was read from the catalogue is copied first, so that no read of the database is open while a disk is waited for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/node.h"
#include "store/location.h"

struct local {
	bool is_ours;  /* of this device; what follows the row is not filled otherwise */
	uint32_t mode; /* the row */
	uint64_t size;
	int64_t mtime_ns;
	uint64_t ino;  /* 0: not known */
	char *root;    /* absolute path of the location; owned */
	char *path;    /* below it, "" for the root itself; owned */
	struct location_identity identity; /* what the root was when it was last seen */
};

/* Errors: -ENOENT (gone, also its location). `ret_local` is empty before, and filled on success only. */
int local_get(struct fs *fs, int64_t entry, struct local *ret_local);
void local_release(struct local *local);

/* Opens the file itself: `flags` of open(2); never follows a symlink.
 * Errors: -EIO (the location's root is not there, or is another than it was), -ENOENT (no such file beneath it, or a
 * symlink stands where none was), errno. */
int local_open(const struct local *local, int flags, int *ret_fd);

/* Opens the directory that holds it (O_PATH). `ret_name` points into `local`. Errors: as above. */
int local_open_parent(const struct local *local, int *ret_fd, const char **ret_name);

/* A time of a file as the rows hold it: beyond the year 2262 the greatest stands for it. */
int64_t local_ns(int64_t seconds, int64_t nanoseconds);
