/* A compact map from numbers to numbers: watch descriptors to entries, entries to pointers. 16 bytes for each slot.
 * Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idmap_slot {
	uint64_t key; /* 0 = free */
	uint64_t value;
};

struct idmap {
	struct idmap_slot *slots; /* owned; NULL while empty */
	size_t capacity;	  /* 0 or a power of two */
	size_t count;
};

#define IDMAP_INIT ((struct idmap){0})

/* Adds a key or gives it another value. `key` is not 0. Errors: -ENOMEM (the map is as it was). */
int idmap_put(struct idmap *map, uint64_t key, uint64_t value);

/* The value of `key`; `absent` when there is none. */
uint64_t idmap_get(const struct idmap *map, uint64_t key, uint64_t absent);

void idmap_remove(struct idmap *map, uint64_t key);

/* Steps through all pairs, in no order; `*at` starts at 0. False at the end. The map must not change meanwhile. */
bool idmap_next(const struct idmap *map, size_t *at, uint64_t *ret_key, uint64_t *ret_value);

void idmap_release(struct idmap *map); /* may be used again */
