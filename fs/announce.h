/* From notices of the store to what the kernel has to forget. Without FUSE: the calls are a table of functions.
 *
 * Notices are queued by announce_put (the store's subscriber) and worked off by announce_run on the notifier's thread:
 * it takes what is queued, waits for a grace period (every handler that answers names, attributes or targets and began
 * before has replied: fs/grace.h), then makes the calls. The queue is bounded: bulk writers wait for room, others widen
 * the notices to whole directories (design section 3).
 *
 * Threads: announce_put any; announce_run one. No lock is held during the calls. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/grace.h"
#include "fs/tree.h"
#include "store/notice.h"

struct announce;

/* Errors of the calls are ignored, except that -ENOSYS is remembered by the implementer. */
struct announce_calls {
	void (*expire_entry)(void *arg, uint64_t parent, const char *name, size_t len); /* next access looks up again */
	void (*drop_entry)(void *arg, uint64_t parent, const char *name, size_t len);   /* with all below it */
	void (*drop_attr)(void *arg, uint64_t ino);    /* attributes only */
	void (*drop_content)(void *arg, uint64_t ino); /* attributes, page cache, cached listing, cached link target */
};

int announce_new(struct fs *fs, struct store *store, struct grace *grace, const struct announce_calls *calls, void *arg,
		 struct announce **ret_announce);
void announce_free(struct announce *announce);
notice_fn announce_put; /* arg is the announce */
/* Drops what the kernel remembers of an inode, in its turn: for answers that are not to be remembered. Does not block. */
void announce_forget(struct announce *announce, uint64_t ino);
int announce_run(struct announce *announce); /* returns 0 after announce_stop */
void announce_stop(struct announce *announce);
/* Waits until all that was put before has been announced. For tests. */
void announce_settle(struct announce *announce);
