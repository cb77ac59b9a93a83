/* When to look at what the watches reported: a pure step unit, the time is passed in.
 *
 * An event only says where to look. Places are collected and given out together, when nothing has come for
 * COALESCE_QUIET_MS or COALESCE_MAX_MS after the first, so that an editor's write, rename and delete are seen as their
 * result. A name that was moved away waits for the other half of its move, up to COALESCE_COOKIE_MS. A file that is
 * being written is given out at most every COALESCE_WRITTEN_MS, and so is a whole directory. More than
 * COALESCE_NAMES_MAX names in one directory become the whole directory.
 *
 * Places are (entry id of the directory, name). Times are milliseconds of any clock that never goes back.
 * Errors: -ENOMEM, after which coalesce_lost() tells once that places were lost and everything must be compared.
 * Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COALESCE_QUIET_MS   50
#define COALESCE_MAX_MS	    250
#define COALESCE_COOKIE_MS  200
#define COALESCE_WRITTEN_MS 500
#define COALESCE_NAMES_MAX  64
#define COALESCE_TOTAL_MAX  65536 /* names in all; beyond that each new one becomes its whole directory */

enum coalesce_kind {
	COALESCE_CHANGED,    /* made, deleted, other attributes */
	COALESCE_MOVED_FROM, /* `cookie` pairs it with a MOVED_TO */
	COALESCE_MOVED_TO,
	COALESCE_WRITTEN, /* somebody writes it */
	COALESCE_CLOSED,  /* a writer closed it */
};

struct coalesce;

int coalesce_new(struct coalesce **ret_coalesce);
void coalesce_free(struct coalesce *coalesce); /* NULL does nothing */

/* Look at a name. An empty name is the directory itself. */
int coalesce_name(struct coalesce *coalesce, uint64_t now_ms, enum coalesce_kind kind, uint32_t cookie, int64_t dir,
		  const char *name, size_t len);

/* Look at all of a directory; `deep`: and at all below it. */
int coalesce_dir(struct coalesce *coalesce, uint64_t now_ms, int64_t dir, bool deep);

/* When coalesce_take has something to give: a time, 0 = at once, UINT64_MAX = never. May be early, never late. */
uint64_t coalesce_due(const struct coalesce *coalesce);

/* Nothing waits. */
bool coalesce_is_empty(const struct coalesce *coalesce);

/* True once after places were lost. */
bool coalesce_lost(struct coalesce *coalesce);

struct coalesce_place {
	int64_t dir;
	const char *name; /* NUL-terminated; borrowed until the batch is released; NULL: the whole directory */
	size_t len;
	bool deep;    /* only for whole directories */
	bool writing; /* written since it was last closed */
	unsigned tries;
};

/* Sorted by directory; a directory that is there as a whole has no names. Names that something was moved to come first:
 * of several links to a file, the one that was renamed continues it. */
struct coalesce_batch {
	struct coalesce_place *places; /* owned */
	size_t count;
	void *names; /* owned blocks */
};

#define COALESCE_BATCH_INIT ((struct coalesce_batch){0})

/* All places whose time has come; perhaps none. `ret_batch` must be empty. Without memory none, and nothing is lost. */
int coalesce_take(struct coalesce *coalesce, uint64_t now_ms, struct coalesce_batch *ret_batch);

/* Puts a place of a batch back: it could not be looked at yet. Given out again after `delay_ms`, with `tries` one
 * higher. */
int coalesce_again(struct coalesce *coalesce, uint64_t now_ms, unsigned delay_ms, const struct coalesce_place *place);

void coalesce_batch_release(struct coalesce_batch *batch);
