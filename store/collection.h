/* Tags and albums. Shared records: a name and a live register each (design section 4). Favorites is one more collection,
 * built in, nameless, always live, row id COLLECTION_FAVORITES_ID.
 *
 * A collection is shown while its own register says live or it holds a live pair. Writes go through the log. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "store/rows.h"
#include "store/store.h"

enum collection_kind { COLLECTION_TAG = 1, COLLECTION_ALBUM = 2, COLLECTION_FAVORITES = 3 };

#define COLLECTION_FAVORITES_ID 1

struct collection {
	int64_t id;
	enum collection_kind kind;
	struct uuid uuid;
	const char *name; /* as typed, UTF-8 title */
	size_t name_len;
	uint32_t life;    /* how often it came back on this device: part of its number (store/object.h) */
	bool shown;
};

int collection_get(struct db *db, int64_t id, struct collection *ret_collection, struct rows *ret_rows); /* -ENOENT; also hidden ones */
/* Shown ones of a kind with id > after, by id. */
int collection_list(struct db *db, enum collection_kind kind, int64_t after, struct rows *ret_rows);
/* Shown ones whose name equals `name` after NFC, by uuid: more than one after concurrent renames. */
int collection_named(struct db *db, enum collection_kind kind, const char *name, size_t len, struct rows *ret_rows);
int collection_next(struct rows *rows, struct collection *ret_collection);

/* Number of links that are listed in it: live pairs whose entry is reachable or has a reachable copy. */
int collection_count(struct db *db, int64_t id, uint64_t *ret_count);

/* Errors: -EEXIST (a shown one has that name), -EINVAL (no title, or a name that desktops drop). */
int collection_create(struct txn *txn, enum collection_kind kind, const char *name, size_t len, int64_t *ret_id);
/* Errors: -ENOENT, -EINVAL, -EEXIST (another shown one has that name). */
int collection_rename(struct txn *txn, int64_t id, const char *name, size_t len);
/* Renames onto another shown, empty collection of the kind, which is deleted in the same change set.
 * Errors: -ENOTEMPTY, -ENOENT. */
int collection_replace(struct txn *txn, int64_t id, int64_t onto);
/* Deletes it and the live pairs it has (none of them listed). Errors: -ENOENT, -ENOTEMPTY (a link is listed in it),
 * -EPERM (favorites). */
int collection_remove(struct txn *txn, int64_t id);
