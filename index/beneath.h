/* Opening and looking at things below a location's root, by openat2(2): never through a symlink, never out of the root,
 * never onto another mount, whatever is swapped in meanwhile. Paths are relative, "" is the root itself, and may be
 * longer than PATH_MAX. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/entry.h"

/* `flags` of open(2); O_CLOEXEC and O_NOFOLLOW are added. Errors: errno; -ELOOP: a symlink is in the way, -EXDEV: a
 * mount point is. */
int beneath_open(int root, const char *path, int flags);

struct beneath_stat {
	struct entry_attr attr;
	bool border; /* the root of a mount, or on another device than `device`: listed, not entered. Its inode is given
			as 0 */
	bool linked; /* has more than one name; never for directories */
	uint64_t device;
};

/* lstat(2) of a name in an open directory; "" is the directory itself. `device` of the location's root (0 = any).
 * Errors: errno. */
int beneath_look(int dir, const char *name, uint64_t device, struct beneath_stat *ret_stat);

/* The same for a path. ret_parent_missing (NULL = not needed): the directory that should hold it is not there.
 * Errors: errno; -ENOENT also for a symlink or another thing than a directory in the way. */
int beneath_look_path(int root, const char *path, uint64_t device, struct beneath_stat *ret_stat,
		      bool *ret_parent_missing);
