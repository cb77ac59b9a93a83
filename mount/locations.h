/* Locations, copied out of the store so that nothing is held while they are worked on.
 * Threads: any; a list belongs to one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/location.h"
#include "store/store.h"

struct location_copy {
	int64_t id;
	int64_t device;	 /* row id */
	char *name;	 /* owned */
	char *path;	 /* owned; on its device */
	uint64_t volume; /* of its device (store/volume.h); 0 = not known */
	enum location_state state;
	int64_t scanned_ms;
};

struct locations {
	struct location_copy *items; /* owned */
	size_t count;
};

#define LOCATIONS_INIT ((struct locations){0})

int locations_read(struct store *store, struct locations *ret_locations); /* this device's */
int locations_read_all(struct store *store,
		       struct locations *ret_locations); /* those of other members after them, device by device */
void locations_release(struct locations *locations);

/* NULL: there is none of that name. */
const struct location_copy *locations_named(const struct locations *locations, const char *name);
