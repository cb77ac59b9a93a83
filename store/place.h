/* Where collections and links stand in the mount: the parent in notices about them. Internal to store/ and fs/. */
#pragma once

#include <stdint.h>

#include "store/collection.h"
#include "store/object.h"

/* The directory that lists the collections of a kind. Favorites is a directory of its own, in the root. */
static inline uint64_t place_of_kind(enum collection_kind kind)
{
	return kind == COLLECTION_TAG ? OBJECT_TAGS : kind == COLLECTION_ALBUM ? OBJECT_ALBUMS : OBJECT_ROOT;
}

/* The directory that lists the links of a collection. */
static inline uint64_t place_of_collection(int64_t collection, uint32_t life)
{
	return collection == COLLECTION_FAVORITES_ID ? OBJECT_FAVORITES : object_of_collection(collection, life);
}
