/* Tags and albums by the names that people type. Threads: those of the connection. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "mount/out.h"
#include "store/collection.h"

const char *names_noun(enum collection_kind kind); /* "tag", "album" */

/* The shown ones of that name: more than one after concurrent renames. The caller frees. Errors: -ENOENT. */
int names_find(struct db *db, enum collection_kind kind, const char *name, int64_t **ret_ids, size_t *ret_count);

/* As names_find, with a message that names similar ones when there is none. */
int names_find_or_say(struct db *db, enum collection_kind kind, const char *name, struct out *out, int64_t **ret_ids,
		      size_t *ret_count);

/* How many bytes have to be put in, taken out or replaced to make `b` of `a`, without regard to ASCII case. At most
 * `limit`: then limit + 1. */
unsigned names_distance(const char *a, const char *b, unsigned limit);
