/* Tags and albums by the names that people type. Threads: those of the connection. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "mount/out.h"
#include "store/collection.h"

const char *titles_noun(enum collection_kind kind); /* "tag", "album" */

/* The shown ones of that name: more than one after concurrent renames. The caller frees. Errors: -ENOENT. */
int titles_find(struct db *db, enum collection_kind kind, const char *name, int64_t **ret_ids, size_t *ret_count);

/* As titles_find, with a message that names similar ones when there is none. */
int titles_find_or_say(struct db *db, enum collection_kind kind, const char *name, struct out *out, int64_t **ret_ids,
		       size_t *ret_count);

/* Says that `name` cannot be one, and returns the exit code for that. */
int titles_refuse(enum collection_kind kind, const char *name, struct out *out);

/* How many bytes have to be put in, taken out or replaced to make `b` of `a`, without regard to ASCII case. At most
 * `limit`: then limit + 1. */
unsigned titles_distance(const char *a, const char *b, unsigned limit);
