/* What the parts of the tree share. Internal to fs/, without libfuse. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "fs/tree.h"
#include "store/entry.h"
#include "store/store.h"

struct cached_opens;

struct fs {
	pthread_mutex_t lock; /* guards `stat` and `stat_ms`; everything else is constant from fs_new on */
	struct statvfs stat;
	uint64_t stat_ms; /* monotonic; 0: never filled */

	struct store *store;
	uint32_t uid, gid;
	char *mountpoint; /* normal (no "." or "..", no trailing slash); NULL = none */
	void (*stale)(void *arg, int64_t entry);
	void *stale_arg;
	int64_t born_ns; /* time of everything that has none of its own */
	struct cached_opens *cached_opens;
};

/* Brackets a read on this thread's connection, so that all of it sees one state. */
int read_begin(struct fs *fs, struct db **ret_db);
void read_end(struct db **db); /* for _cleanup_; NULL does nothing */

/* Tells that the file of a local entry differs from its row. */
void node_stale(struct fs *fs, int64_t entry);

/* Attributes of a thing that is there. Errors: -ENOENT. */
int node_attr(struct fs *fs, struct db *db, uint64_t ino, struct fs_attr *ret_attr);
void node_attr_of_dir(struct fs *fs, uint64_t ino, uint32_t permissions, struct fs_attr *ret_attr);
void node_attr_of_entry(struct fs *fs, const struct entry *entry, struct fs_attr *ret_attr);
