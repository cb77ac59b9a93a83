/* From paths to objects. Internal to fs/; what commands need of it is in fs/tree.h. Threads: any.
 *
 * Paths are taken by their text first, without a look at the disk. Only one that leads nowhere, and not into the mount, is
 * followed through real symlinks, step by step, and never into the mount, wherever it is bound to: the daemon must not
 * wait for itself. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fs/node.h"

/* An absolute path without ".", "..", double and trailing slashes, on the heap: "/a/b", "/". ".." of the root is the root.
 * Errors: -EINVAL (not absolute), -ENOMEM. */
int resolve_normal(const char *path, char **ret_normal);

/* What follows `prefix` in a normal path, if the path is `prefix` or below it: "" or "/..."; NULL otherwise. */
const char *resolve_after(const char *path, const char *prefix);

/* Where a text leads. Filled by resolve_text, resolve_real. */
struct destination {
	bool in_mount;
	char *path; /* normal; from the root of the mount ("/tags/x") or of the system; owned */
	char *text; /* absolute and not normal, for resolve_real; owned */
};
void destination_release(struct destination *d);

/* By its text: absolute, or relative to `dir`, the path of a directory below the mount ("tags/x", "" for its root). */
int resolve_text(struct fs *fs, const char *dir, const char *text, struct destination *ret_destination);

/* Replaces a destination outside the mount by the one that it has once symlinks in its directories are followed. Blocks:
 * reads the disk. Errors: -ENOENT (no such directory, or it is the same as before, or in the mount of another library),
 * -ELOOP, others when the table of mounts cannot be read. */
int resolve_real(struct fs *fs, struct destination *d);

/* The object at a destination. Links in collections lead on when more follows, and at the end if `follow`.
 * Errors: -ENOENT. */
int resolve_find(struct fs *fs, struct db *db, const struct destination *d, bool follow, uint64_t *ret_ino);
