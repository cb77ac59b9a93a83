/* A folder for one test, gone afterwards: for tests that need real files. Threads: one at a time. */
#pragma once

#include <limits.h>
#include <stddef.h>

struct scratch {
	char path[PATH_MAX];
};

/* Makes an empty folder (0700) below $TMPDIR or /tmp. Errors: errno. */
int scratch_init(struct scratch *s);

/* Removes the folder with all it holds. */
void scratch_release(struct scratch *s);

/* The path of `name` in the folder, on the heap; NULL without memory. */
char *scratch_path(const struct scratch *s, const char *name);

/* How many names the folder holds; negative errno. */
int scratch_count(const struct scratch *s);

/* Writes a file of the folder anew with `mode`, whatever the umask. Errors: errno. */
int scratch_write(const struct scratch *s, const char *name, const void *data, size_t len, unsigned mode);
