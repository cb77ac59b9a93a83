/* The operations that libfuse calls: each decodes, calls one fs_* function and replies once. Internal to the adapter.
 * Threads: workers only (fs/workers.h), each with a scratch of its own. */
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "fs/grace.h"
#include "fs/tree.h"

struct announce;

/* How long the kernel may remember what it was told, in seconds. */
struct ops_timeouts {
	double entry;  /* a name means that object */
	double attr;   /* type, size, times, mode */
	double absent; /* a name is not there and never will be: desktop litter */
};

/* What every operation needs: the userdata of the fuse_session. Set up before the first request, then read-only but for
 * `opendir_needed`, which init writes before anything else arrives. */
struct ops {
	struct fs *fs;
	struct grace *grace;
	struct announce *announce;
	struct fuse_session *session;
	const struct ops_timeouts *timeouts;
	bool opendir_needed; /* kernel before 5.1: it takes no ENOSYS for an answer */
};

extern const struct fuse_lowlevel_ops ops_table;

/* Memory of one worker, reused from request to request. */
struct ops_scratch {
	struct buf text;
	char *listing; /* of `listing_len` bytes */
	size_t listing_len;
};

void ops_use_scratch(struct ops_scratch *scratch); /* the calling thread's from now on; borrowed */
void ops_scratch_release(struct ops_scratch *scratch);
