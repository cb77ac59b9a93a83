/* Pairs: an entry in a collection, which is a tagging, an album item or a favorite (design section 4).
 * Shared records keyed (collection, entry), with registers for live, the link's name and the content id that stands in
 * for the entry when it is gone. Dead pairs stay as tombstones. Writes go through the log. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/uuid.h"
#include "store/entry.h"
#include "store/rows.h"
#include "store/store.h"

struct pair {
	int64_t id;
	int64_t collection;
	struct uuid entry;
	int64_t entry_id; /* row of the entry, 0 when this device has none (yet) */
	const char *name; /* of the link, raw: any bytes Linux allows */
	size_t name_len;
	bool live;
	bool clash;       /* another live pair of the collection has the same name (only from pair_list and pair_named) */
	bool has_content;
	uint8_t content[HASH128_LEN];
};

int pair_get(struct db *db, int64_t id, struct pair *ret_pair, struct rows *ret_rows); /* also dead. -ENOENT */
int pair_find(struct db *db, int64_t collection, const struct uuid *entry, struct pair *ret_pair, struct rows *ret_rows); /* also dead. -ENOENT */

/* Live pairs of a collection with id > after, by id. Not each has a target: see pair_target. */
int pair_list(struct db *db, int64_t collection, int64_t after, struct rows *ret_rows);
/* Live pairs of a collection whose raw name is `name`, by entry uuid (so the first with a target has the plain name). */
int pair_named(struct db *db, int64_t collection, const char *name, size_t len, struct rows *ret_rows);
/* Live pairs whose raw name begins with `prefix`: for shown names that were cut. */
int pair_name_begins(struct db *db, int64_t collection, const char *prefix, size_t len, struct rows *ret_rows);
/* Live pairs that name that entry, in any collection. */
int pair_of_entry(struct db *db, const struct uuid *entry, struct rows *ret_rows);
/* Live pairs whose own content register is `content`. */
int pair_of_content(struct db *db, const uint8_t content[HASH128_LEN], struct rows *ret_rows);
/* Live pairs whose entry is in that location. */
int pair_of_location(struct db *db, int64_t location, struct rows *ret_rows);
int pair_next(struct rows *rows, struct pair *ret_pair);

/* Where the link leads: the reachable copy on this device if there is one, else the tagged entry if it is reachable,
 * else any reachable copy (the lowest id). Errors: -ENOENT: the pair is not listed. */
int pair_target(struct db *db, const struct pair *pair, int64_t *ret_entry);

/* --- writing --- */

/* Adds `entry` (an entry id) to the collection under a link name. Errors: -EEXIST (that entry is in already), -ENOENT
 * (no such entry or collection), -EINVAL (not a filename). */
int pair_add(struct txn *txn, int64_t collection, int64_t entry, const char *name, size_t len, int64_t *ret_id);
int pair_remove(struct txn *txn, int64_t id); /* -ENOENT when it is not live */
/* Renames the link; a link that had `replaced` (0 = none) is removed in the same change set. */
int pair_rename(struct txn *txn, int64_t id, const char *name, size_t len, int64_t replaced);
/* To another collection in one change set; if the entry is there already, one link remains, with the new name.
 * `replaced` as above. The link keeps its id, as a renamed file keeps its inode. */
int pair_move(struct txn *txn, int64_t id, int64_t collection, const char *name, size_t len, int64_t replaced);
/* Adds `to` wherever `from` is, under the same names, and removes `from` there: for a file that took another's place.
 * `from` may be deleted. Errors: -ENOENT. */
int pair_adopt(struct txn *txn, int64_t from_entry, int64_t to_entry);

struct pair_new {
	int64_t collection;
	int64_t entry;
	const char *name;
	size_t name_len;
};
/* Many at once, in change sets of at most 1,000: for the commands. Pairs that are in already are passed over.
 * ret_added counts the new ones. */
int pair_add_many(struct txn *txn, const struct pair_new *pairs, size_t count, size_t *ret_added);
int pair_remove_many(struct txn *txn, const int64_t *ids, size_t count);

/* --- what a file carries --- */

/* Collections of a kind that an entry is in: a live pair names it, or names an entry with the same content id, or its own
 * content register has it and its entry is gone (size 0 never matches). Collection ids, ascending, each once; the caller
 * frees. */
int pair_collections_of(struct db *db, int64_t entry, int kind, int64_t **ret_ids, size_t *ret_count);
/* Reachable entries that carry the collection, by the same rule. Entry ids, ascending, each once; the caller frees. */
int pair_entries_of(struct db *db, int64_t collection, int64_t **ret_ids, size_t *ret_count);
/* The live pairs of `collection` that make `entry` carry it. Pair ids; the caller frees. */
int pair_reasons(struct db *db, int64_t collection, int64_t entry, int64_t **ret_ids, size_t *ret_count);
