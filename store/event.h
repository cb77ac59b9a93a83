/* Events of this device, in sync.db: what happened, for `status` and `events`. Deleting sync.db loses them and no change.
 * The last 10,000 are kept. Threads: any; one mutex inside, held across one short write. */
#pragma once

#include <stdint.h>

#include "store/store.h"

struct event {
	int64_t id;
	int64_t at_ms;
	int64_t times; /* that it came, one after the other; the last at last_ms */
	int64_t last_ms;
	const char *level; /* "info", "warning", "error" */
	const char *text;
};

/* Best effort: an error is returned and may be ignored. */
int event_add(struct store *store, const char *level, const char *text);
/* The newest `limit`, oldest first. `fn` returning non-zero ends it. */
int event_list(struct store *store, unsigned limit, int (*fn)(void *arg, const struct event *event), void *arg);
