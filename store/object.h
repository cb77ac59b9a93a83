/* The number of a thing in the catalogue: `kind << 56 | rowid`. It is the inode number in the mount, so it is never a
 * pointer, never reused and the same after a remount (design section 2). Threads: any.
 *
 * A tag or album that was removed and made again has the row that it had, but must not have the number: the kernel keeps
 * a removed directory for as long as somebody stands in it, and nothing can be made in it any more. So theirs holds the
 * life as well (store/collection.h): `kind << 56 | life << 32 | rowid`. The row has 32 bits; the life has 24 and wraps. */
#pragma once

#include <stdint.h>

enum object_kind {
	OBJECT_FIXED = 0, /* the directories that are always there: OBJECT_ROOT ... */
	OBJECT_DEVICE = 1,
	OBJECT_ENTRY = 2, /* also the root directory of a location: it is an entry without a name */
	OBJECT_COLLECTION = 3, /* a tag or an album */
	OBJECT_PAIR = 4, /* a link in a tag, an album or favorites */
};

#define OBJECT_ROOT UINT64_C(1)
#define OBJECT_DEVICES UINT64_C(2)
#define OBJECT_TAGS UINT64_C(3)
#define OBJECT_ALBUMS UINT64_C(4)
#define OBJECT_FAVORITES UINT64_C(5)

#define OBJECT_ID_MASK ((UINT64_C(1) << 56) - 1)
#define OBJECT_LIFE_MASK ((UINT32_C(1) << 24) - 1)

static inline uint64_t object(enum object_kind kind, int64_t id)
{
	return (uint64_t)kind << 56 | ((uint64_t)id & OBJECT_ID_MASK);
}

static inline uint64_t object_of_collection(int64_t id, uint32_t life)
{
	return object(OBJECT_COLLECTION, (int64_t)((uint64_t)(life & OBJECT_LIFE_MASK) << 32 | (uint32_t)id));
}

/* May yield numbers outside the enum when `object` came from outside. */
static inline enum object_kind object_kind(uint64_t object)
{
	return (enum object_kind)(object >> 56);
}

/* The row. */
static inline int64_t object_id(uint64_t object)
{
	return (int64_t)(object & (object_kind(object) == OBJECT_COLLECTION ? UINT32_MAX : OBJECT_ID_MASK));
}
