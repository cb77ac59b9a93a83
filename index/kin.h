/* Which row a new name continues: a thing is known again by its inode and birth time after it was moved or renamed
 * (design section 2), also by a row that was deleted because its name had vanished.
 *
 * A row that is alive only matches when its own place holds no thing of its kind any more, so hard links keep theirs.
 * Where the filesystem gives no birth time an inode may be another file's by now: then only rows that are alive match,
 * and size and time of change must be the same. Threads: the index thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "index/site.h"
#include "store/entry.h"

struct kin {
	int64_t row; /* 0: none */
	bool live;   /* its place has vanished; else a tombstone */
	struct uuid uuid;
	int64_t stray; /* a directory that is not where its row says, and may have to be compared: 0 = none */
};

/* `attr` was seen at (parent, name). `except`: a row that does not count. Looks at the disk below the site's root.
 * Errors: store/ errors, -ENOMEM. */
int kin_find(struct db *db, const struct site *site, const struct entry_attr *attr, int64_t parent, const char *name,
	     size_t len, int64_t except, struct kin *ret_kin);
