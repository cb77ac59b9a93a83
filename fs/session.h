/* A mounted tree: the libfuse adapter (low-level API), its worker threads and the notifier thread.
 * Timeouts and what ends them are in one table at the top of session.c. Threads: as said. */
#pragma once

#include <stdbool.h>

#include "fs/tree.h"

#define SESSION_MOUNT_TYPE "fuse.shelf" /* of our mounts, as base/mountinfo.h says it: by the option "subtype" */

struct session;

struct session_opts {
	const char *mountpoint; /* absolute */
	const char *name;       /* shown as the source of the mount: the library's name */
	bool allow_other;
	bool debug;
	const char *extra;      /* more -o options of fusermount3 / mount, NULL = none: ro, nodev, x-... are accepted */
};

/* Mounts. `fs` and `store` stay the caller's and must outlive the session. The daemon must not touch the mount itself.
 * Errors: -ENOENT/-ENODEV (no /dev/fuse), -EACCES, -EPERM (allow_other not permitted), -ENOTCONN (a dead mount is there),
 * -EINVAL (an unknown option), -EIO. */
int session_open(struct fs *fs, struct store *store, const struct session_opts *opts, struct session **ret_session);

/* Serves until the mount is unmounted or session_stop. Returns 0, or an error of the loop. */
int session_run(struct session *session);

/* Ends session_run from another thread or from a signal handler's thread: safe at any time, also before it runs. */
void session_stop(struct session *session);

/* Unmounts if still mounted, and frees. */
void session_close(struct session *session);
