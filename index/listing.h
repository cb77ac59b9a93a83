/* What was seen in a directory: the names with their attributes, all of them or some that were asked for.
 * Threads: one at a time. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "index/ignore.h"
#include "store/entry.h"

enum {
	SEEN_ABSENT = 1 << 0,  /* asked for, and not there (or ignored) */
	SEEN_UNKNOWN = 1 << 1, /* there, but could not be looked at: its row stays as it is */
	SEEN_BORDER = 1 << 2,  /* a directory that is listed but not entered */
	SEEN_MOUNT = 1 << 3,   /* ... because it is another filesystem */
	SEEN_LINKED = 1 << 4,  /* has more than one name */
	SEEN_WRITING = 1 << 5, /* somebody has it open and writes */
	/* Set by reconcile.c: */
	SEEN_ENTER = 1 << 6, /* a directory whose content is not known */
	SEEN_FRESH = 1 << 7, /* ... whose row was made just now and has nothing below it */
};

enum seen_step { /* what is to be done, and then what was done: reconcile.h */
		 STEP_NONE,
		 STEP_UPDATE,
		 STEP_NEW,
		 STEP_REPLACE, /* another kind of thing has the name now */
		 STEP_DONE,
};

struct seen {
	struct entry_attr attr;
	int64_t row;   /* its entry; 0 = none */
	uint32_t name; /* where it begins in `names` */
	uint8_t len;
	uint8_t faults; /* errors that its step came to: reconcile_fault */
	uint8_t flags;
	uint8_t step;
};

struct listing {
	struct seen *items; /* owned */
	size_t count;
	size_t capacity;
	struct buf names;	/* NUL-terminated */
	struct entry_attr self; /* the directory, looked at before its names were read */
	struct ignore *ignore;	/* its own ignore file; a reference; NULL = none */
	bool whole;		/* all names: what is not here is gone */
	bool has_self;
};

#define LISTING_INIT ((struct listing){.names = BUF_INIT})

static inline const char *listing_name(const struct listing *listing, const struct seen *seen)
{
	return (const char *)listing->names.data + seen->name;
}

/* What to leave out, and when to stop. */
struct listing_opts {
	struct ignore_scope *scope; /* of the directory, without its own ignore file when `own_ignore` */
	const char *const *borders; /* NULL-terminated paths below the location that are never entered; NULL = none */
	uint64_t device;	    /* of the location's root */
	const atomic_bool *stop;
};

/* Reads all of an open directory, its ignore file first. ret_listing is empty before, and on an error.
 * Errors: errno of reading it; -EACCES when its names cannot be looked at; -ECANCELED: `stop` became true. */
int listing_read(int dir, const struct listing_opts *opts, struct listing *ret_listing);

/* Adds one name, which may be absent. Errors: -ENOMEM. */
int listing_look(struct listing *listing, int dir, const struct listing_opts *opts, const char *name, size_t len,
		 bool writing);

/* Looks at the directory itself. Errors: errno. */
int listing_look_self(struct listing *listing, int dir);

size_t listing_bytes(const struct listing *listing); /* of memory */
void listing_release(struct listing *listing);
