/* Rows whose names were not seen: deletes them, after another look. Between the first look and this one the name may
 * have come back, the row may have moved to another name, or the whole location may have gone away, which deletes
 * nothing.
 *
 * A directory goes from the bottom up, in several transactions if it is large. Threads: the index thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "index/site.h"
#include "store/store.h"

struct vanish;

struct vanish_opts {
	struct store *store;
	/* The name of a row is there after all: compare it. */
	void (*present)(void *arg, int64_t dir, const char *name, size_t len);
	/* A name of a file with this inode is gone; it may have others. */
	void (*unlinked)(void *arg, struct site *site, uint64_t ino, int64_t row);
	/* A directory has come back while it was being deleted: compare all of it. */
	void (*halfway)(void *arg, int64_t dir);
	/* A row is passed over: reading or deleting it came to an error that would come again (retry.h). */
	void (*stuck)(void *arg, struct site *site, int64_t row, int error);
	void *arg;
};

int vanish_new(const struct vanish_opts *opts, struct vanish **ret_vanish);
void vanish_free(struct vanish *vanish); /* NULL does nothing */

/* Notes a row. Errors: -ENOMEM. */
int vanish_add(struct vanish *vanish, struct site *site, int64_t row);

bool vanish_is_empty(const struct vanish *vanish);

/* Drops what was noted for a site. */
void vanish_drop(struct vanish *vanish, const struct site *site);

/* The site that vanish_step works on next; NULL: nothing is noted. */
struct site *vanish_site(const struct vanish *vanish);

/* Works on what was noted, at most one transaction's worth. The root of that site must be open (site_enter) and is
 * looked at again right before anything is deleted. ret_deleted: rows that were noted and are deleted now. Errors:
 * -ENODEV (the root is gone: nothing was deleted), those of root_open, store/ errors that may pass; all is still
 * noted. */
int vanish_step(struct vanish *vanish, struct db *db, size_t *ret_deleted);
