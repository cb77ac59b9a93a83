/* The number of a thing in the catalogue: `kind << 56 | rowid`. It is the inode number in the mount, so it is never a
 * pointer, never reused and the same after a remount (design section 2). Threads: any. */
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

static inline uint64_t object(enum object_kind kind, int64_t id)
{
	return (uint64_t)kind << 56 | ((uint64_t)id & OBJECT_ID_MASK);
}

/* May yield numbers outside the enum when `object` came from outside. */
static inline enum object_kind object_kind(uint64_t object)
{
	return (enum object_kind)(object >> 56);
}

static inline int64_t object_id(uint64_t object)
{
	return (int64_t)(object & OBJECT_ID_MASK);
}
