/* The answer to a query, as a set of ids. Pure but for the look-ups. Threads: one at a time. */
#pragma once

#include "mount/idset.h"
#include "mount/query.h"

/* Fills an empty set with the ids that carry the name of `node`. */
typedef int evaluate_lookup_fn(void *arg, const struct query_node *node, struct idset *ret_set);

/* Errors: those of `lookup`, which end it, and -ENOMEM. */
int evaluate_query(const struct query *query, evaluate_lookup_fn *lookup, void *arg, struct idset *ret_set);
