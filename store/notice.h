/* What a commit changed, told to one subscriber after the commit (design section 3).
 *
 * A notice says that what somebody may remember of a place is old; it does not say what is new there: whoever cares
 * reads again. So notices may be handled late, twice or merged without harm, but never lost: a subscriber that cannot
 * keep up must widen them (all of a directory instead of one name). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum notice_change {
	NOTICE_LISTING, /* names were added to `parent`: its listing is old */
	NOTICE_NAME,    /* (parent, name) is gone or is another object now; also the listing of parent */
	NOTICE_ATTR,    /* (parent, name) is still `object`, which has other attributes or content now */
	NOTICE_LINKS,   /* links to entry `object`, or to a copy of it, may point elsewhere, be gone or be back */
	NOTICE_BELOW,   /* the path of directory or device `object` changed: the same for links to anything below it */
};

/* For links and collections, `name` is the raw name of the row: the shown one may have a suffix, so both are old. */
struct notice {
	enum notice_change change;
	uint64_t parent; /* object number of the directory: OBJECT_TAGS, a collection, an entry ... */
	uint64_t object; /* 0 when unknown or when there is none */
	const char *name; /* borrowed during the call; NULL for LISTING, LINKS and BELOW */
	size_t name_len;
};

/* Called after the commit, outside the write gate, on the thread that wrote, holding no lock. `bulk` tells that the
 * writer is a bulk writer, which may be made to wait for room in a queue; others must not be kept waiting. */
typedef void notice_fn(void *arg, const struct notice *notices, size_t count, bool bulk);

/* One subscriber at most; NULL ends it and returns when no call is under way any more. While there is none, notices are
 * not collected at all. */
void store_subscribe(struct store *store, notice_fn *fn, void *arg);
