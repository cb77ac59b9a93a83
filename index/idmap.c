#include "index/idmap.h"

#include <errno.h>
#include <stdlib.h>

enum { IDMAP_FIRST_CAPACITY = 16 };

/* Keys are small consecutive numbers: a multiplication spreads them (Knuth, TAOCP 3, 6.4). */
static size_t home(const struct idmap *map, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (map->capacity - 1);
}

/* Where `key` is, or the free slot where it belongs. */
static size_t find(const struct idmap *map, uint64_t key)
{
	size_t at = home(map, key);

	while (map->slots[at].key != 0 && map->slots[at].key != key)
		at = (at + 1) & (map->capacity - 1);
	return at;
}

static int grow(struct idmap *map)
{
	struct idmap larger = {.capacity = map->capacity ? map->capacity * 2 : IDMAP_FIRST_CAPACITY,
			       .count = map->count};

	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->slots[i].key != 0)
			larger.slots[find(&larger, map->slots[i].key)] = map->slots[i];
	free(map->slots);
	*map = larger;
	return 0;
}

int idmap_put(struct idmap *map, uint64_t key, uint64_t value)
{
	size_t at;

	/* At most three quarters full, so that a search ends soon. */
	if (map->count + 1 > map->capacity / 4 * 3 && grow(map) < 0)
		return -ENOMEM;
	at = find(map, key);
	map->count += map->slots[at].key == 0;
	map->slots[at] = (struct idmap_slot){.key = key, .value = value};
	return 0;
}

uint64_t idmap_get(const struct idmap *map, uint64_t key, uint64_t absent)
{
	size_t at;

	if (map->count == 0)
		return absent;
	at = find(map, key);
	return map->slots[at].key == key ? map->slots[at].value : absent;
}

/* Moves back what was pushed past the gap, so that no search ends at it too early and no marks are needed. */
static void close_gap(struct idmap *map, size_t gap)
{
	size_t mask = map->capacity - 1;

	for (size_t at = (gap + 1) & mask; map->slots[at].key != 0; at = (at + 1) & mask) {
		if (((at - home(map, map->slots[at].key)) & mask) < ((at - gap) & mask))
			continue;
		map->slots[gap] = map->slots[at];
		gap = at;
	}
	map->slots[gap].key = 0;
}

void idmap_remove(struct idmap *map, uint64_t key)
{
	size_t at;

	if (map->count == 0)
		return;
	at = find(map, key);
	if (map->slots[at].key != key)
		return;
	close_gap(map, at);
	map->count--;
}

bool idmap_next(const struct idmap *map, size_t *at, uint64_t *ret_key, uint64_t *ret_value)
{
	for (; *at < map->capacity; (*at)++) {
		if (map->slots[*at].key == 0)
			continue;
		*ret_key = map->slots[*at].key;
		*ret_value = map->slots[(*at)++].value;
		return true;
	}
	return false;
}

void idmap_release(struct idmap *map)
{
	free(map->slots);
	*map = IDMAP_INIT;
}
