/* From one notice of the store to the calls that the kernel needs. Internal to fs/. Threads: the notifier's.
 *
 * A notice speaks of rows; the kernel knows shown names. Both the plain and the suffixed name of a thing may be known to
 * it, and a link may have to be dropped because of something far away. So this reads the catalogue, as it is now. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "fs/callset.h"
#include "fs/node.h"
#include "store/notice.h"
#include "store/pair.h"

#define EXPANSION_CONTENTS 512
#define EXPANSION_DIRS     1024

struct expansion {
	struct fs *fs;
	struct callset calls;

	/* What the notices of one batch said of all links; worked off by expansion_links. */
	bool all_links;
	int64_t *moved; /* entries of directories whose path changed; owned */
	size_t moved_count, moved_capacity;
	bool moved_away; /* one of them is gone, with all below it */

	/* Memory within one batch: contents whose links were added; directories known to be below a moved one or not. */
	struct {
		bool used;
		uint8_t id[HASH128_LEN];
	} contents[EXPANSION_CONTENTS];
	struct {
		int64_t dir; /* 0: free */
		bool below;
	} dirs[EXPANSION_DIRS];
};

void expansion_init(struct expansion *e, struct fs *fs, const struct announce_calls *calls, void *arg);
void expansion_release(struct expansion *e);
void expansion_begin(struct expansion *e); /* a new batch */

/* Adds the calls for a notice; `db` is this thread's reader, within a read. BELOW is only noted. */
int expansion_add(struct expansion *e, struct db *db, const struct notice *notice);

/* Makes the calls for links that were noted, and all that are in `calls`. Reads by itself. */
int expansion_links(struct expansion *e);

/* Makes the calls for a whole directory: everything in it, known or not, and its own name. Reads by itself. */
int expansion_dir(struct expansion *e, uint64_t dir);

/* --- for expansion_links.c --- */

/* Adds the calls for a link in `parent` whose target may be another one, gone or back. `alone`: no other has its name. */
int expansion_pair(struct expansion *e, struct db *db, uint64_t parent, const struct pair *pair, bool alone);
/* The directory that lists the links of a collection now. Errors: -ENOENT. */
int expansion_place(struct db *db, int64_t collection, uint64_t *ret_parent);
