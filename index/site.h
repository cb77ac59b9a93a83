/* A location that the index works on: where its root is, what is ignored, its watches, what is being read.
 *
 * Its root directory is held open only while something is done below it, so that a disk can be unmounted at other
 * times.
 *
 * Threads: the index thread; those of the pool read what is constant while a directory waits or is read (identity,
 * `root_fd`, `device`, the lists, `borders`, `watch`) and the atomic fields. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/idmap.h"
#include "index/ignore.h"
#include "index/watch.h"
#include "store/location.h"
#include "store/store.h"

struct index;

struct site {
	struct site *next;
	struct index *index;
	int64_t id;   /* of the location */
	int64_t root; /* entry id */
	char *name;   /* owned */
	char *path;   /* owned, absolute */
	struct location_identity identity;
	struct ignore *defaults;
	struct ignore *exclude;
	struct idmap ignores; /* entry id of a directory -> its ignore file (a reference) */
	char **borders;	      /* owned, NULL-terminated: paths below the root that are never entered */

	int root_fd; /* -1: not in use */
	uint64_t device;
	bool remote;	     /* others may change it, which no event tells */
	struct watch *watch; /* NULL: none */
	atomic_bool abort;   /* nothing of it is to be read any more */

	bool offline; /* the root is gone or is another one */
	bool told_offline;
	bool returning;	  /* it was, and is to be said to be back */
	bool state_dirty; /* the row does not say so yet */
	bool check_root;  /* an event says that the root may have gone */
	bool look_at_disk; /* which disk the root lies on is to be looked at, and recorded if it is new */
	bool removing;	  /* is to be dropped once nothing is pending */
	bool unscanned;	  /* no full compare has reached its end */
	bool pristine;	  /* has no rows but those of the first scan, and nothing was moved since it began */

	struct idmap pending;  /* entry id -> struct dir that waits, is read or is written */
	bool want_full;	       /* a full compare is to be made */
	bool wanted_here;      /* ... not only for somebody who asked, and may give up */
	bool full;	       /* one is under way */
	bool full_here;	       /* ... which was wanted here */
	bool closing;	       /* ... and all has been read */
	size_t full_pending;   /* directories of it that are pending */
	struct idmap vanished; /* rows that it did not find: entry id -> 1 */
	bool limited;	       /* could not be watched in full */
	uint64_t next_full_ms; /* when to compare again, as not all is watched; 0 = never */

	struct full_tally {
		uint64_t entries, changed, unreadable, mounts;
		atomic_uint_least64_t unwatched;      /* directories that could not be watched */
		char *first_unreadable, *first_mount; /* owned paths; NULL = none */
		int unreadable_error;
	} tally;			       /* of the present full compare, or the last one */
	uint64_t told_unreadable, told_mounts; /* what was said last */
	bool told_unwatched, told_remote;
};

/* From its row. Errors: -ENOENT, -ENOMEM, store/ errors. */
int site_load(struct index *index, struct db *db, int64_t location, const char *const *forbidden,
	      struct site **ret_site);
void site_free(struct site *site); /* nothing pending. NULL does nothing */

/* Reads anew which directory the root is to be: the user may take another one for it. 1: it is another one now. Errors:
 * -ENOENT, store/ errors. */
int site_read_identity(struct site *site, struct db *db);

/* Opens the root if it is still the right one; does nothing when it is open. Errors: as root_open. */
int site_enter(struct site *site);
void site_leave(struct site *site);

/* Whether the root is still there: looks at the path anew. Errors: as root_open. */
int site_look(const struct site *site);

/* The ignore file of a directory; borrowed; NULL = none. */
struct ignore *site_ignore(const struct site *site, int64_t dir);
int site_set_ignore(struct site *site, int64_t dir, struct ignore *ignore); /* NULL removes it. Errors: -ENOMEM */

/* Forgets watch and ignore file of a directory whose row is gone. */
void site_forget_dir(struct site *site, int64_t dir);
