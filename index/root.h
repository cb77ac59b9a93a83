/* The root directory of a location: which one it was, and whether it still is. Threads: any. */
#pragma once

#include <stdbool.h>

#include "store/location.h"

/* Whether two identities are of one directory: by inode and birth time where both have one, else by filesystem and
 * inode. */
bool root_is_same(const struct location_identity *a, const struct location_identity *b);

/* Opens the directory at `path` (O_PATH) if it is the one that `expected` describes.
 * Errors: -ENODEV: it is gone, cannot be reached or is another one; -EMFILE, -ENFILE, -ENOMEM: that cannot be told
 * now. */
int root_open(const char *path, const struct location_identity *expected);

/* Whether others may change what is at `fd` without this kernel's knowing, so that watches do not see all: a network
 * filesystem, or one of a program (FUSE). */
bool root_is_remote(int fd);

/* What the directory open at `fd` is. Errors: errno. */
int root_identify(int fd, struct location_identity *ret_identity);
