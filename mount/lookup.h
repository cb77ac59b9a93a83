/* From the files that people name to entries of the catalogue. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mount/command.h"

struct lookup {
	struct call *call;
	bool caught_up; /* the index was asked once already to look at what is new */
};

/* The entry of a path as mount/path.h makes them. A file that is not known yet, because it is new, is waited for once
 * in each call. Says on call->out what is wrong. Errors: -ENOENT. */
int lookup_entry(struct lookup *lookup, const char *path, int64_t *ret_entry);
