#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "store/collection.h"
#include "store/db.h"
#include "store/pair.h"

/* Content is shared knowledge (design section 2): a file is tagged when a live pair names it, or names an entry with the
 * same content id; and when the entry of a pair is gone, the content id stored with the pair stands in for it. The
 * functions here are the two directions of that one rule. */

struct ids {
	int64_t *items;
	size_t count, capacity;
};

static void ids_release(struct ids *ids)
{
	free(ids->items);
	*ids = (struct ids){ 0 };
}

static int ids_add(struct ids *ids, int64_t id)
{
	if (ids->count == ids->capacity) {
		size_t capacity = ids->capacity == 0 ? 64 : ids->capacity * 2;
		int64_t *items = reallocarray(ids->items, capacity, sizeof(*items));

		if (items == NULL)
			return -ENOMEM;
		ids->items = items;
		ids->capacity = capacity;
	}
	ids->items[ids->count++] = id;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts, drops doubles, and hands over. */
static void ids_take(struct ids *ids, int64_t **ret_ids, size_t *ret_count)
{
	size_t kept = 0;

	if (ids->count > 0)
		qsort(ids->items, ids->count, sizeof(*ids->items), compare_ids);
	for (size_t i = 0; i < ids->count; i++) {
		if (kept == 0 || ids->items[kept - 1] != ids->items[i])
			ids->items[kept++] = ids->items[i];
	}
	*ret_ids = TAKE_PTR(ids->items);
	*ret_count = kept;
	*ids = (struct ids){ 0 };
}

/* --- from a file to its pairs --- */

/* Called with each live pair that makes an entry carry the pair's collection; may come twice. */
typedef int reason_fn(void *arg, const struct pair *pair);

static int pairs_of_entry(struct db *db, const struct uuid *entry, reason_fn *fn, void *arg)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_of_entry(db, entry, &rows);

	while (r == 0 && (r = pair_next(&rows, &pair)) == 0)
		r = fn(arg, &pair);
	return r < 0 ? r : 0;
}

static int pairs_of_copies(struct db *db, const struct entry *entry, reason_fn *fn, void *arg)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry copy;
	int r = entry_by_content(db, entry->content, &rows);

	while (r == 0 && (r = entry_next(&rows, &copy)) == 0) {
		if (copy.id != entry->id)
			r = pairs_of_entry(db, &copy.uuid, fn, arg);
	}
	return r < 0 ? r : 0;
}

static int pairs_of_gone(struct db *db, const uint8_t content[HASH128_LEN], reason_fn *fn, void *arg)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_of_content(db, content, &rows);

	while (r == 0 && (r = pair_next(&rows, &pair)) == 0) {
		int reachable = pair.entry_id == 0 ? 0 : entry_is_reachable(db, pair.entry_id);

		r = reachable != 0 ? (reachable < 0 ? reachable : 0) : fn(arg, &pair);
	}
	return r < 0 ? r : 0;
}

static int each_reason(struct db *db, int64_t id, reason_fn *fn, void *arg)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, id, &entry, &rows);

	if (r < 0)
		return r;
	/* The row's name is borrowed from the statement, the rest is ours to keep. */
	rows_release(&rows);
	r = pairs_of_entry(db, &entry.uuid, fn, arg);
	if (r < 0 || !entry.has_content || entry.size == 0)
		return r;
	r = pairs_of_copies(db, &entry, fn, arg);
	return r < 0 ? r : pairs_of_gone(db, entry.content, fn, arg);
}

struct collector {
	struct db *db;
	int64_t collection; /* only of this one; 0 = any */
	bool pairs;         /* gather pair ids, not collection ids */
	struct ids ids;
};

static int collect(void *arg, const struct pair *pair)
{
	struct collector *c = arg;

	if (c->collection != 0 && pair->collection != c->collection)
		return 0;
	return ids_add(&c->ids, c->pairs ? pair->id : pair->collection);
}

/* Drops the collections that are not of that kind. */
static int keep_kind(struct db *db, int kind, int64_t *ids, size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		_cleanup_(rows_release) struct rows rows = ROWS_INIT;
		struct collection c;
		int r = collection_get(db, ids[i], &c, &rows);

		if (r < 0)
			return r;
		if ((int)c.kind == kind)
			ids[kept++] = ids[i];
	}
	*count = kept;
	return 0;
}

int pair_collections_of(struct db *db, int64_t entry, int kind, int64_t **ret_ids, size_t *ret_count)
{
	struct collector c = { .db = db };
	_cleanup_(free_ptr) int64_t *ids = NULL;
	size_t count = 0;
	int r = each_reason(db, entry, collect, &c);

	if (r < 0) {
		ids_release(&c.ids);
		return r;
	}
	ids_take(&c.ids, &ids, &count);
	r = keep_kind(db, kind, ids, &count);
	if (r < 0)
		return r;
	*ret_ids = TAKE_PTR(ids);
	*ret_count = count;
	return 0;
}

int pair_reasons(struct db *db, int64_t collection, int64_t entry, int64_t **ret_ids, size_t *ret_count)
{
	struct collector c = { .db = db, .collection = collection, .pairs = true };
	int r = each_reason(db, entry, collect, &c);

	if (r < 0) {
		ids_release(&c.ids);
		return r;
	}
	ids_take(&c.ids, ret_ids, ret_count);
	return 0;
}

/* --- from a collection to its files --- */

static int add_copies(struct db *db, const uint8_t content[HASH128_LEN], struct ids *ids)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry copy;
	int r = entry_by_content(db, content, &rows);

	while (r == 0 && (r = entry_next(&rows, &copy)) == 0) {
		r = entry_is_reachable(db, copy.id);
		if (r == 1)
			r = ids_add(ids, copy.id);
	}
	return r < 0 ? r : 0;
}

/* The tagged entry and its copies; when it is gone, the copies of what the pair remembers. */
static int add_entries(struct db *db, const struct pair *pair, struct ids *ids)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = pair->entry_id == 0 ? 0 : entry_is_reachable(db, pair->entry_id);

	if (r < 0)
		return r;
	if (r == 0)
		return pair->has_content ? add_copies(db, pair->content, ids) : 0;
	r = entry_get(db, pair->entry_id, &entry, &rows);
	if (r == 0)
		r = ids_add(ids, entry.id);
	return r == 0 && entry.has_content && entry.size > 0 ? add_copies(db, entry.content, ids) : r;
}

int pair_entries_of(struct db *db, int64_t collection, int64_t **ret_ids, size_t *ret_count)
{
	_cleanup_(ids_release) struct ids ids = { 0 };
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_list(db, collection, 0, &rows);

	while (r == 0 && (r = pair_next(&rows, &pair)) == 0)
		r = add_entries(db, &pair, &ids);
	if (r < 0)
		return r;
	ids_take(&ids, ret_ids, ret_count);
	return 0;
}
