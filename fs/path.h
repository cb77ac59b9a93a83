/* From objects to paths below the root of the mount. Internal to fs/; what commands need is in fs/tree.h. Threads: any. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "fs/node.h"
#include "store/pair.h"

/* Appends "devices/<device>/<location>". Errors: -ENOENT. */
int path_of_location(struct db *db, int64_t location, struct buf *ret_path);

/* Appends "devices/<device>/<location>/<path>". Errors: -ENOENT, -ELOOP. */
int path_of_entry(struct db *db, int64_t entry, struct buf *ret_path);

/* Appends the path of what a pair leads to (pair_target). Errors: -ENOENT: the pair is not listed. */
int path_of_target(struct db *db, const struct pair *pair, struct buf *ret_path);

/* Appends the path of a directory or entry; nothing for the root. Errors: -ENOENT (also for links). */
int path_of(struct db *db, uint64_t ino, struct buf *ret_path);
