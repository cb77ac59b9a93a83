/* A directory that is to be looked at: its entry, and the names that lead to it from the location's root. Directories
 * share the path above them by reference, so a queue of many stays small.
 *
 * Threads: made and released by the index thread; while it runs, `job` and `listing` and `error` belong to the thread
 * of the pool. The names, the ids and `ignore` of those above never change once something refers to them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "index/fanout.h"
#include "index/ignore.h"
#include "index/listing.h"
#include "store/entry.h"

struct site;

struct dir {
	struct fanout_job job; /* first: a job is its directory */
	struct site *site;
	struct dir *parent; /* a reference; NULL for the root */
	int64_t id;
	struct entry_attr attr;	 /* as in its row */
	struct ignore *ignore;	 /* its own ignore file; a reference; NULL = none */
	struct listing *listing; /* what was seen; owned */
	int error;		 /* why nothing was */
	uint32_t refs;
	uint8_t len;
	uint8_t tries; /* how often it was not where its row says */
	bool deep;     /* enter all directories in it, not only those that are new */
	bool full;     /* part of the full compare of its site */
	bool fresh;    /* its row has nothing below it */
	bool again;    /* something happened while it was read: read it again, ... */
	bool again_deep, again_full;
	bool faulty;  /* its own row cannot be written: reconcile_fault */
	bool by_name; /* only some names of it were looked at */
	char name[];  /* NUL-terminated; empty for the root */
};

/* Refers to `parent` (NULL for the root) and to what the site knows of its ignore file. NULL without memory. */
struct dir *dir_new(struct site *site, struct dir *parent, int64_t id, const struct entry_attr *attr, const char *name,
		    size_t len);

/* From the rows. Errors: -ENOENT (it or one above is deleted, or is no directory of the site), -ELOOP, -ENOMEM. */
int dir_load(struct db *db, struct site *site, int64_t id, struct dir **ret_dir);

/* Gives back a reference, and those above it that nobody refers to any more. NULL does nothing. */
void dir_unref(struct dir *dir);
void dir_unrefp(struct dir **dir);

/* Its path below the root, NUL-terminated (not counted). Errors: -ENOMEM. */
int dir_path(const struct dir *dir, struct buf *ret_path);

/* What is ignored in it: path and lists; `own`: its own ignore file too. Errors: -ENOMEM. */
int dir_scope(const struct dir *dir, bool own, struct ignore_scope *ret_scope);
