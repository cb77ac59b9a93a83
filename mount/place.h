/* Where things may be: library folders and mount points. Touches the filesystem: for clients. Threads: any. */
#pragma once

#include "mount/out.h"

#define PLACE_LIBRARY_SUFFIX ".sdlibrary"

/* The folder of a library that exists: `given`, or `given`.sdlibrary, resolved (heap). It says what is wrong on `out`
 * and returns a negative error: -ENOENT (no library there), others of path_canonical. */
int place_library(const char *given, struct out *out, char **ret_dir);

/* The same without a message. */
int place_existing_library(const char *given, char **ret_dir);

/* The folder for a new one, with the suffix (heap); its parent exists. Errors as above, -EEXIST. */
int place_new_library(const char *given, struct out *out, char **ret_dir);

/* Whether databases are safe in that folder: not on a network filesystem, not in a shelf mount. -EOPNOTSUPP after a
 * message. */
int place_check_library(const char *dir, struct out *out);

/* The library that a command means: `given` (-l), $SHELF_LIBRARY, or the mount that the working directory is in.
 * Resolved (heap). -ENOENT after a message; -EINVAL when none of the three is there. */
int place_find_library(const char *given, struct out *out, char **ret_dir);
