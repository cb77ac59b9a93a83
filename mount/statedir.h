/* The state folder of this device: $SHELF_STATE_DIR, else $XDG_STATE_HOME/shelf, else ~/.local/state/shelf (0700).
 * It holds one folder for each library, named by the library's id:
 *
 *     key           the secret key of this device in that library (base/key.h)
 *     anchor        how far this device had come in it (mount/anchoring.h)
 *     run           who has the library open now (mount/holder.h)
 *     control.sock  the control socket of the daemon
 *     log           what the daemon has to say, and log.1
 *
 * Paths are absolute and on the heap. Threads: any. Errors: errno, -ENOMEM. */
#pragma once

#include "base/uuid.h"

int statedir_root(char **ret_path);
int statedir_library(const struct uuid *library, char **ret_path);
int statedir_file(const struct uuid *library, const char *name, char **ret_path);

/* Whether the folder could be made or written, without making it; which one it is stands in `ret_root`, also on failure
 * (may be NULL then). Errors: -EACCES, -EROFS, -ENOTDIR. */
int statedir_check(char **ret_root);

/* Makes the folder of a library, and those above it, as far as they are missing, all 0700. */
int statedir_make(const struct uuid *library);

/* Removes the folder of a library with the files that are listed above. For a creation that failed. */
void statedir_remove(const struct uuid *library);

/* Calls `fn` for each library that has a folder; when it returns non-zero that ends it and is returned. A missing state
 * folder has none. */
int statedir_each(int (*fn)(void *arg, const struct uuid *library), void *arg);
