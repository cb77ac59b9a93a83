/* Where the commands of this process run: here, when nobody else has the library open, else in the daemon that has.
 * Threads: the main thread. */
#pragma once

#include "mount/out.h"

struct target;

/* Takes the library's lock and opens it, or finds the daemon. When a short-lived command holds the lock it waits for
 * it, up to 5 s. Says on `out` what is wrong; returns a negative error. */
int target_open(const char *library_dir, struct out *out, struct target **ret_target);

/* Runs one command; `words` begin with its name. Returns its exit code. */
int target_run(struct target *target, int count, char **words, struct out *out);

void target_close(struct target *target);
void target_closep(struct target **target); /* for _cleanup_ */

/* As target_open for whoever wants to have the library open for good: the lock, or -EBUSY after a message that says who
 * has it. */
int target_lock(const char *library_dir, struct out *out, int *ret_lock_fd);
