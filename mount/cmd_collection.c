/* `tag list`, `album list`, `tag rename`, `album rename`, `tag merge`. What is listed is copied out of the store before
 * it is written: a client that reads slowly must not hold a read transaction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mount/command.h"
#include "mount/library.h"
#include "mount/lookup.h"
#include "mount/titles.h"
#include "store/entry.h"
#include "store/pair.h"
#include "store/store.h"

enum { MERGE_PAIRS = 1000 };

/* --- list --- */

struct listed {
	int64_t id;
	char *name; /* owned */
};

struct listing {
	struct listed *items; /* owned */
	size_t count;
};

static void listing_release(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->items[i].name);
	free(listing->items);
}

static int listing_add(struct listing *listing, const struct collection *collection)
{
	struct listed *items = reallocarray(listing->items, listing->count + 1, sizeof(*items));
	char *name = strndup(collection->name, collection->name_len);

	if (items)
		listing->items = items;
	if (!items || !name) {
		free(name);
		return -ENOMEM;
	}
	items[listing->count++] = (struct listed){.id = collection->id, .name = name};
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static int read_all(struct db *db, enum collection_kind kind, struct listing *listing)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	int r = collection_list(db, kind, 0, &rows);

	while (r == 0 && (r = collection_next(&rows, &collection)) == 0)
		r = listing_add(listing, &collection);
	if (r >= 0 && listing->count > 0)
		qsort(listing->items, listing->count, sizeof(*listing->items), compare_names);
	return r < 0 ? r : 0;
}

static void json_string(struct out *out, const char *text, size_t len)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	if (buf_json(&b, text, len) == 0)
		out_bytes(out, b.data, b.len);
}

static void print_collection(struct out *out, bool json, const struct listed *item, uint64_t count, bool first)
{
	char number[OUT_NUMBER_LEN];

	if (json) {
		out_printf(out, "%s\n  {\"name\": ", first ? "" : ",");
		json_string(out, item->name, strlen(item->name));
		out_printf(out, ", \"files\": %llu}", (unsigned long long)count);
		return;
	}
	out_printf(out, "%10s  ", out_count_text(count, number));
	out_name_text(out, item->name);
	out_printf(out, "\n");
}

static int list_all(struct call *call, struct db *db, bool json)
{
	_cleanup_(listing_release) struct listing listing = {0};
	int r = read_all(db, call->command->kind, &listing);

	if (json)
		out_printf(call->out, "[");
	for (size_t i = 0; r == 0 && i < listing.count && !out_cancelled(call->out); i++) {
		uint64_t count;

		r = collection_count(db, listing.items[i].id, &count);
		if (r == 0)
			print_collection(call->out, json, &listing.items[i], count, i == 0);
	}
	if (json)
		out_printf(call->out, "%s]\n", listing.count > 0 ? "\n" : "");
	return r;
}

static int read_of_entry(struct db *db, enum collection_kind kind, int64_t entry, struct listing *listing)
{
	_cleanup_(free_ptr) int64_t *ids = NULL;
	size_t count = 0;
	int r = pair_collections_of(db, entry, (int)kind, &ids, &count);

	for (size_t i = 0; r == 0 && i < count; i++) {
		_cleanup_(rows_release) struct rows rows = ROWS_INIT;
		struct collection collection;

		r = collection_get(db, ids[i], &collection, &rows);
		if (r == 0)
			r = listing_add(listing, &collection);
	}
	if (r == 0 && listing->count > 0)
		qsort(listing->items, listing->count, sizeof(*listing->items), compare_names);
	return r;
}

static void print_file_json(struct out *out, const char *path, const struct listing *listing, bool first)
{
	out_printf(out, "%s\n  {\"file\": ", first ? "" : ",");
	json_string(out, path, strlen(path));
	out_printf(out, ", \"names\": [");
	for (size_t i = 0; i < listing->count; i++) {
		out_printf(out, "%s", i > 0 ? ", " : "");
		json_string(out, listing->items[i].name, strlen(listing->items[i].name));
	}
	out_printf(out, "]}");
}

/* Of one file each name in a line of its own; of several "file: a, b". */
static void print_file(struct out *out, const char *path, const struct listing *listing, bool alone)
{
	if (!alone) {
		out_name_text(out, path);
		out_printf(out, ":%s", listing->count > 0 ? " " : "");
	}
	for (size_t i = 0; i < listing->count; i++) {
		out_printf(out, "%s", !alone && i > 0 ? ", " : "");
		out_name_text(out, listing->items[i].name);
		out_printf(out, "%s", alone ? "\n" : "");
	}
	out_printf(out, "%s", alone ? "" : "\n");
}

/* Returns how many files could not be found, or an error. */
static int list_files(struct call *call, struct db *db, bool json)
{
	struct lookup lookup = {.call = call};
	const struct args *args = call->args;
	int missing = 0, r = 0;

	if (json)
		out_printf(call->out, "[");
	for (int i = 0; r == 0 && i < args->count && !out_cancelled(call->out); i++) {
		_cleanup_(listing_release) struct listing listing = {0};
		int64_t entry;

		if (lookup_entry(&lookup, args->words[i], &entry) < 0) {
			missing++;
			continue;
		}
		r = read_of_entry(db, call->command->kind, entry, &listing);
		if (r == 0 && json)
			print_file_json(call->out, args->words[i], &listing, i == missing);
		else if (r == 0)
			print_file(call->out, args->words[i], &listing, args->count == 1);
	}
	if (json)
		out_printf(call->out, "\n]\n");
	return r < 0 ? r : missing;
}

int cmd_collection_list(struct call *call)
{
	bool json = args_has(call->args, "json");
	struct db *db;
	int r = store_reader(call->library->store, &db);

	if (r == 0)
		r = call->args->count > 0 ? list_files(call, db, json) : list_all(call, db, json);
	if (r < 0)
		return out_fail(call->out, r, "cannot list the %ss", titles_noun(call->command->kind));
	return r > 0 ? EXITCODE_PARTIAL : EXITCODE_DONE;
}

/* --- rename --- */

struct renaming {
	int64_t id;
	const char *name;
};

static int rename_one(struct txn *txn, void *arg)
{
	const struct renaming *renaming = arg;

	return collection_rename(txn, renaming->id, renaming->name, strlen(renaming->name));
}

/* The only one of that name, else the first. */
static int find_one(struct call *call, const char *name, int64_t *ret_id)
{
	_cleanup_(free_ptr) int64_t *ids = NULL;
	struct db *db;
	size_t count;
	int r = store_reader(call->library->store, &db);

	if (r < 0) {
		out_fail(call->out, r, "cannot read the library");
		return r;
	}
	r = titles_find_or_say(db, call->command->kind, name, call->out, &ids, &count);
	if (r == 0)
		*ret_id = ids[0];
	return r;
}

int cmd_collection_rename(struct call *call)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	const char *noun = titles_noun(call->command->kind);
	const char *old = call->args->words[0];
	struct renaming renaming = {.name = call->args->words[1]};
	int r = find_one(call, old, &renaming.id);

	if (r < 0)
		return (int)exitcode_of(r);
	r = store_write(call->library->store, &opts, rename_one, &renaming);
	if (r == 0)
		return EXITCODE_DONE;
	if (r == -EINVAL)
		return titles_refuse(call->command->kind, renaming.name, call->out);
	if (r != -EEXIST)
		return out_fail(call->out, r, "cannot rename the %s '%s'", noun, old);
	out_error(call->out, "there is a %s called '%s' already%s", noun, renaming.name,
		  call->command->kind == COLLECTION_TAG ? "; `shelf tag merge` makes one of two" : "");
	return (int)exitcode_of(r);
}

/* --- merge --- */

/* One step of a merge: up to MERGE_PAIRS go from one to the other in one transaction. A pair whose file is gone is
 * moved by its own function, because there is no entry to add any more. */
struct merging {
	int64_t from, into;
	size_t moved; /* in the last step */
};

struct step {
	struct pair_new pairs[MERGE_PAIRS];
	int64_t ids[MERGE_PAIRS];
	size_t count;
	int64_t gone; /* a pair without a live entry; 0 = none */
	char *gone_name;
};

static void step_free(struct step **p)
{
	struct step *step = *p;

	for (size_t i = 0; step && i < step->count; i++)
		free((char *)step->pairs[i].name);
	if (step)
		free(step->gone_name);
	free(step);
}

static int entry_is_live(struct db *db, int64_t id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = id > 0 ? entry_get(db, id, &entry, &rows) : -ENOENT;

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : !entry.deleted;
}

static int gather(struct db *db, const struct merging *merging, struct step *step)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_list(db, merging->from, 0, &rows);

	while (r == 0 && step->count < MERGE_PAIRS && !step->gone && (r = pair_next(&rows, &pair)) == 0) {
		char *name = strndup(pair.name, pair.name_len);
		int live = name ? entry_is_live(db, pair.entry_id) : -ENOMEM;

		if (live == 1) {
			step->ids[step->count] = pair.id;
			step->pairs[step->count++] = (struct pair_new){.collection = merging->into,
								       .entry = pair.entry_id,
								       .name = name,
								       .name_len = pair.name_len};
			continue;
		}
		if (live < 0)
			free(name);
		if (live < 0)
			return live;
		step->gone = pair.id;
		step->gone_name = name;
	}
	return r < 0 ? r : 0;
}

static int merge_step(struct txn *txn, void *arg)
{
	struct merging *merging = arg;
	_cleanup_(step_free) struct step *step = calloc(1, sizeof(*step));
	size_t added;
	int r = step ? gather(txn_db(txn), merging, step) : -ENOMEM;

	if (r == 0 && step->count > 0)
		r = pair_add_many(txn, step->pairs, step->count, &added);
	if (r == 0 && step->count > 0)
		r = pair_remove_many(txn, step->ids, step->count);
	if (r == 0 && step->gone)
		r = pair_move(txn, step->gone, merging->into, step->gone_name, strlen(step->gone_name), 0);
	if (r == 0)
		merging->moved = step->count + (step->gone != 0);
	return r;
}

static int remove_empty(struct txn *txn, void *arg)
{
	const struct merging *merging = arg;

	return collection_remove(txn, merging->from);
}

static int merge(struct call *call, struct merging *merging)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	unsigned long long total = 0;
	int r;

	do {
		if (out_cancelled(call->out))
			return -EINTR;
		r = store_write(call->library->store, &opts, merge_step, merging);
		if (r < 0)
			return r;
		total += merging->moved;
		out_progress(call->out, "  %llu files moved", total);
	} while (merging->moved > 0);
	r = store_write(call->library->store, &opts, remove_empty, merging);
	return r == -ENOENT ? 0 : r; /* it was only shown for its links */
}

int cmd_collection_merge(struct call *call)
{
	const char *from = call->args->words[0], *into = call->args->words[1];
	struct merging merging = {0};
	int r = find_one(call, from, &merging.from);

	if (r == 0)
		r = find_one(call, into, &merging.into);
	if (r < 0)
		return (int)exitcode_of(r);
	if (merging.from == merging.into) {
		out_error(call->out, "'%s' and '%s' are the same tag", from, into);
		return EXITCODE_USAGE;
	}
	r = merge(call, &merging);
	if (r == -EINTR) {
		out_error(call->out, "interrupted: the rest is still in '%s'; the same command goes on", from);
		return EXITCODE_PARTIAL;
	}
	return r < 0 ? out_fail(call->out, r, "cannot merge '%s' into '%s'", from, into) : EXITCODE_DONE;
}
