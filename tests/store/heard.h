/* What a subscriber hears, as text, so that a test can say exactly which notices are due:
 *
 *     listing e1         names were added to entry 1
 *     name e1/a=e5       (entry 1, "a") was or is entry 5
 *     attr, links, below
 *
 * Letters: f fixed, d device, e entry, c collection, p pair; lines stand in the order in which they were published.
 * Threads: notices may come from any. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "store/store.h"

struct heard {
	pthread_mutex_t lock; /* guards all below */
	struct buf text;
	size_t count;
	size_t calls;
	bool bulk; /* of the last call */
	struct store *store;
};

void heard_init(struct heard *heard, struct store *store); /* subscribes */
void heard_release(struct heard *heard);		   /* ends it */

/* Asserts that exactly these notices came since the last time. */
void heard_exactly(struct heard *heard, const char *format, ...) __attribute__((format(printf, 2, 3)));
