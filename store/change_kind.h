/* Which kind of shared record a row of `collection` or `pair` is (sync/model.h). Internal to store/. */
#pragma once

#include "store/collection.h"
#include "sync/model.h"

/* Of the collection itself; favorites has no record of its own. */
static inline enum model_kind change_kind_of_collection(enum collection_kind kind)
{
	return kind == COLLECTION_ALBUM ? MODEL_ALBUM : MODEL_TAG;
}

/* Of its pairs. */
static inline enum model_kind change_kind_of_pair(enum collection_kind kind)
{
	return kind == COLLECTION_TAG ? MODEL_TAGGING : kind == COLLECTION_ALBUM ? MODEL_ALBUM_ITEM : MODEL_METADATA;
}

/* And back, of a collection's or a pair's. */
static inline enum collection_kind collection_kind_of(enum model_kind kind)
{
	switch (kind) {
	case MODEL_ALBUM:
	case MODEL_ALBUM_ITEM:
		return COLLECTION_ALBUM;
	case MODEL_METADATA:
		return COLLECTION_FAVORITES;
	default:
		return COLLECTION_TAG;
	}
}
