/* Links that a change far away concerns: a directory was renamed or moved, a location removed, a device renamed. All pairs
 * are looked at, once for a batch of notices. They are read in pieces, so that no read is open while the kernel is called. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fs/expansion.h"
#include "store/collection.h"
#include "store/entry.h"
#include "store/pair.h"

#define PIECE 4096 /* pairs */

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool was_moved(const struct expansion *e, int64_t id)
{
	return bsearch(&id, e->moved, e->moved_count, sizeof(id), compare_ids) != NULL;
}

static int parent_of(struct db *db, int64_t id, int64_t *ret_parent)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, id, &entry, &rows);

	*ret_parent = r == 0 ? entry.parent : 0;
	return r == -ENOENT ? 0 : r;
}

/* Whether a directory is one that was moved or below it: 1 or 0. */
static int dir_is_below(struct expansion *e, struct db *db, int64_t dir)
{
	size_t slot = (size_t)((uint64_t)dir % EXPANSION_DIRS);
	int64_t at = dir;
	bool below = false;
	int r;

	if (e->dirs[slot].dir == dir)
		return e->dirs[slot].below;
	for (unsigned depth = 0; at != 0 && !below && depth < ENTRY_DEPTH_MAX; depth++) {
		below = was_moved(e, at);
		r = parent_of(db, at, &at);
		if (r < 0)
			return r;
	}
	e->dirs[slot].dir = dir;
	e->dirs[slot].below = below;
	return below;
}

static int entry_is_below(struct expansion *e, struct db *db, int64_t id)
{
	int64_t parent = 0;
	int r;

	if (was_moved(e, id))
		return 1;
	r = parent_of(db, id, &parent);
	return r < 0 || parent == 0 ? r : dir_is_below(e, db, parent);
}

static int copy_is_below(struct expansion *e, struct db *db, const struct pair *pair)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry copy;
	int r = entry_by_content(db, pair->content, &rows);

	while (r == 0 && (r = entry_next(&rows, &copy)) == 0) {
		r = entry_is_below(e, db, copy.id);
		if (r == 1)
			return 1;
	}
	return r < 0 ? r : 0;
}

/* Whether the link may have led, or may lead now, to something below what moved. Of a directory that is gone it cannot be
 * seen any more which copies it held. */
static int is_concerned(struct expansion *e, struct db *db, const struct pair *pair)
{
	int r = 0;

	if (e->all_links || (pair->has_content && e->moved_away))
		return 1;
	if (pair->entry_id != 0)
		r = entry_is_below(e, db, pair->entry_id);
	if (r == 0 && pair->has_content)
		r = copy_is_below(e, db, pair);
	return r;
}

/* Some pairs of a collection, from *after on. 1: there may be more. */
static int add_piece(struct expansion *e, int64_t collection, int64_t *after)
{
	_cleanup_(read_end) struct db *db = NULL;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	uint64_t parent = 0;
	struct pair pair;
	int r = read_begin(e->fs, &db);

	if (r == 0)
		r = expansion_place(db, collection, &parent);
	if (r == 0)
		r = pair_list(db, collection, *after, &rows);
	for (unsigned i = 0; r == 0 && i < PIECE && !callset_is_full(&e->calls); i++) {
		r = pair_next(&rows, &pair);
		if (r != 0)
			return r < 0 ? r : 0;
		*after = pair.id;
		r = is_concerned(e, db, &pair);
		if (r == 1)
			r = expansion_pair(e, db, parent, &pair, !pair.clash);
	}
	return r < 0 ? r : 1;
}

struct ids {
	int64_t *items; /* owned */
	size_t count, capacity;
};

static void ids_release(struct ids *ids)
{
	free(ids->items);
}

static int ids_add(struct ids *ids, int64_t id)
{
	if (ids->count == ids->capacity) {
		size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
		int64_t *items = reallocarray(ids->items, capacity, sizeof(*items));
		if (!items)
			return -ENOMEM;
		ids->items = items;
		ids->capacity = capacity;
	}
	ids->items[ids->count++] = id;
	return 0;
}

static int add_collections(struct db *db, enum collection_kind kind, struct ids *ids)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	int r = collection_list(db, kind, 0, &rows);

	while (r == 0 && (r = collection_next(&rows, &collection)) == 0)
		r = ids_add(ids, collection.id);
	return r < 0 ? r : 0;
}

static int read_collections(struct expansion *e, struct ids *ret_ids)
{
	_cleanup_(read_end) struct db *db = NULL;
	int r = read_begin(e->fs, &db);

	if (r == 0)
		r = ids_add(ret_ids, COLLECTION_FAVORITES_ID);
	if (r == 0)
		r = add_collections(db, COLLECTION_TAG, ret_ids);
	if (r == 0)
		r = add_collections(db, COLLECTION_ALBUM, ret_ids);
	return r;
}

int expansion_links(struct expansion *e)
{
	_cleanup_(ids_release) struct ids collections = { 0 };
	int r = 0;

	if (e->all_links || e->moved_count > 0)
		r = read_collections(e, &collections);
	if (e->moved_count > 0)
		qsort(e->moved, e->moved_count, sizeof(*e->moved), compare_ids);
	for (size_t i = 0; r == 0 && i < collections.count; i++) {
		int64_t after = 0;
		while ((r = add_piece(e, collections.items[i], &after)) == 1)
			callset_run(&e->calls);
	}
	callset_run(&e->calls);
	return r;
}
