/* Paths as people type them, made absolute by the process that they typed into. Touches the filesystem, also mounts:
 * for clients, never for the daemon, which must not touch its own mount. Threads: any (the working directory is read).
 * Results are on the heap. Errors: errno, -ENOMEM. */
#pragma once

#include <stdbool.h>

/* Absolute, nothing resolved: the working directory and `path`. */
int path_absolute(const char *path, char **ret_path);

/* Symlinks resolved in all of it if it exists, else in the folder above, else path_absolute. */
int path_canonical(const char *path, char **ret_path);

/* A file that is meant itself, also when it is a symlink: symlinks are resolved in the folder above it. A relative path
 * that is not there but begins as paths below a mount do ("devices/", as `find` prints them) stays as it is. */
int path_of_file(const char *path, char **ret_path);

/* The folder that an absolute path is in. */
int path_above(const char *path, char **ret_path);

/* Whether `path` is `above` or lies below it, by their text. */
bool path_is_below(const char *path, const char *above);

const char *path_base(const char *path); /* what follows the last '/'; borrowed */
