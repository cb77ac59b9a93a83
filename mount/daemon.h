/* The process that keeps a library open: `mount` and `serve`. Threads: the main thread. */
#pragma once

#include <stdbool.h>

#include "mount/network.h"
#include "mount/out.h"

struct daemon_opts {
	const char *library_dir; /* absolute, resolved */
	const char *mountpoint;	 /* absolute, resolved; NULL: serve */
	bool foreground;
	bool allow_other;
	bool debug;
	const char *mount_options; /* further ones; NULL = none */
	bool offline;		   /* no network at all */
	struct network_opts network;
};

/* Without `foreground`: starts the daemon as a process of its own and returns when it is ready, or has failed. With it:
 * is the daemon, and returns at its end. Says on `out` what is wrong. Returns the exit code. No thread and no database
 * may exist in this process yet. */
int daemon_start(const struct daemon_opts *opts, struct out *out);
