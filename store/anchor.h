/* The anchor: what this device remembers of its library outside of it, so that it notices when the library was set
 * back, copied or moved (design section 5, "Epochs"; reference, "Identity, epoch, restore, clone").
 *
 * It says how far this device's own streams had come, and which file that was. It is written lazily, from what is
 * committed: it may lag, never lead. So a database that holds less than its anchor was set back to an older state.
 *
 * The file and its place are the caller's (mount/anchoring.h). Threads: one at a time for one anchor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "store/store.h"

#define ANCHOR_KINDS	 8    /* state kinds, from MODEL_LOCATION on */
#define ANCHOR_BYTES_MAX 8192 /* of an encoded anchor */

struct anchor_file { /* which file database.db is; a copy is another one */
	uint64_t dev;
	uint64_t ino;
	int64_t btime_ns; /* 0: the filesystem does not tell */
};

struct anchor {
	struct uuid library;
	struct uuid device;
	uint64_t epoch;
	uint64_t seq;			 /* the last record of this epoch's log */
	uint8_t hash[HASH_LEN];		 /* running hash at `seq` */
	uint64_t versions[ANCHOR_KINDS]; /* of this epoch's state streams, by kind - MODEL_LOCATION */
	uint64_t hlc;			 /* of the last change that is committed */
	struct anchor_file file;
	char *dir; /* owned: the library folder */
};

#define ANCHOR_INIT ((struct anchor){0})

void anchor_release(struct anchor *anchor);
bool anchor_equal(const struct anchor *a, const struct anchor *b);

int anchor_encode(const struct anchor *anchor, struct buf *ret_bytes); /* Errors: -ENOMEM, -ERR_TOO_LARGE */
/* Errors: -ERR_MALFORMED (also a wrong checksum), -ENOMEM. */
int anchor_decode(const void *bytes, size_t len, struct anchor *ret_anchor);

/* --- comparing --- */

/* What the database holds of the epoch that the anchor tells of. */
struct anchor_held {
	bool epoch;	 /* it knows that epoch at all */
	uint64_t seq;	 /* how far its log goes */
	bool hash;	 /* whether the running hash at the anchor's seq is known; not when it was cut */
	bool hash_equal; /* ... and is that of the anchor */
	uint64_t versions[ANCHOR_KINDS];
};

enum anchor_verdict {
	ANCHOR_NONE, /* nothing to compare with: no anchor, or one of another library or device */
	ANCHOR_SAME,
	ANCHOR_MOVED,	/* another place or file, nothing is missing */
	ANCHOR_REWOUND, /* the database holds less than the anchor, or something else: a new epoch is due */
	ANCHOR_COPIED,	/* another file than the anchor's, which still stands: must not be used */
};

/* `kept` may be NULL. `original_stands`: at kept->dir there is still the file of the anchor. Pure. */
enum anchor_verdict anchor_compare(const struct anchor *kept, const struct anchor *now, const struct anchor_held *held,
				   bool original_stands);

/* --- the store --- */

/* Which file the database is. It stays that while it is open, wherever its folder goes. Errors: errno of stat. */
int anchor_identify(struct store *store, struct anchor_file *ret_file);

/* The anchor that fits what is committed now, of that file in that folder (copied). Errors: store.h. */
int anchor_of_store(struct store *store, const struct anchor_file *file, const char *dir, struct anchor *ret_anchor);

/* Reads the log as far as it has to, so once at start. */
int anchor_look_up(struct store *store, const struct anchor *kept, struct anchor_held *ret_held);

/* Whether at kept->dir there is still the library and file of the anchor. */
bool anchor_original_stands(const struct anchor *kept);
