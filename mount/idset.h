/* Sets of ids: sorted, or everything but a sorted list, so that "not" costs nothing. Pure. Threads: one for each set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset {
	int64_t *ids; /* owned; ascending, each once */
	size_t count;
	bool complement; /* the set holds all ids but these */
};

#define IDSET_INIT ((struct idset){0})

bool idset_has(const struct idset *set, int64_t id);
void idset_negate(struct idset *set);
/* Replace `a` by its intersection or union with `b`. Errors: -ENOMEM (`a` is as it was). */
int idset_and(struct idset *a, const struct idset *b);
int idset_or(struct idset *a, const struct idset *b);
void idset_release(struct idset *set);
