/* `tag add`, `tag remove`, `album add`, `album remove`: files into a collection and out of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mount/command.h"
#include "mount/library.h"
#include "mount/lookup.h"
#include "mount/titles.h"
#include "mount/path.h"
#include "store/entry.h"
#include "store/pair.h"
#include "store/store.h"

enum { CHANGE_SET_PAIRS = 1000 };

/* --- add --- */

struct addition {
	enum collection_kind kind;
	const char *collection;
	struct pair_new *pairs; /* owned, with the names in them */
	size_t count;
	size_t at; /* the next ones to write begin here */
	size_t batch;
};

static void addition_release(struct addition *addition)
{
	for (size_t i = 0; i < addition->count; i++)
		free((char *)addition->pairs[i].name);
	free(addition->pairs);
}

/* The link gets the name of the entry; the root of a location has none, so that of its folder. */
static int link_name(struct db *db, int64_t entry, const char *path, char **ret_name, size_t *ret_len)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry row;
	int r = entry_get(db, entry, &row, &rows);

	if (r < 0)
		return r;
	*ret_name = row.name_len > 0 ? strndup(row.name, row.name_len) : strdup(path_base(path));
	if (!*ret_name)
		return -ENOMEM;
	*ret_len = strlen(*ret_name);
	return 0;
}

/* Returns how many files could not be found, or an error. */
static int gather_files(struct call *call, struct addition *addition)
{
	struct lookup lookup = {.call = call};
	struct db *db;
	int missing = 0, r = store_reader(call->library->store, &db);

	for (int i = 1; r == 0 && i < call->args->count && !out_cancelled(call->out); i++) {
		struct pair_new *pair = &addition->pairs[addition->count];
		const char *path = call->args->words[i];
		char *name;

		if (lookup_entry(&lookup, path, &pair->entry) < 0) {
			missing++;
			continue;
		}
		r = link_name(db, pair->entry, path, &name, &pair->name_len);
		if (r == 0) {
			pair->name = name;
			addition->count++;
		}
	}
	return r < 0 ? r : missing;
}

static int find_or_create(struct txn *txn, const struct addition *addition, int64_t *ret_id)
{
	_cleanup_(free_ptr) int64_t *ids = NULL;
	size_t count;
	int r = titles_find(txn_db(txn), addition->kind, addition->collection, &ids, &count);

	if (r == -ENOENT)
		return collection_create(txn, addition->kind, addition->collection, strlen(addition->collection),
					 ret_id);
	if (r == 0)
		*ret_id = ids[0];
	return r;
}

static int write_batch(struct txn *txn, void *arg)
{
	struct addition *addition = arg;
	struct pair_new *pairs = addition->pairs + addition->at;
	int64_t collection;
	size_t added;
	int r = find_or_create(txn, addition, &collection);

	if (r < 0)
		return r;
	for (size_t i = 0; i < addition->batch; i++)
		pairs[i].collection = collection;
	return pair_add_many(txn, pairs, addition->batch, &added);
}

static int write_all(struct call *call, struct addition *addition)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	int r = 0;

	for (; r == 0 && addition->at < addition->count && !out_cancelled(call->out); addition->at += addition->batch) {
		size_t left = addition->count - addition->at;

		addition->batch = left < CHANGE_SET_PAIRS ? left : CHANGE_SET_PAIRS;
		r = store_write(call->library->store, &opts, write_batch, addition);
	}
	return r;
}

static int fail_add(struct call *call, int r)
{
	const char *noun = titles_noun(call->command->kind);
	const char *name = call->args->words[0];

	if (r == -EINVAL)
		return titles_refuse(call->command->kind, name, call->out);
	return out_fail(call->out, r, "cannot add to the %s '%s'", noun, name);
}

int cmd_collection_add(struct call *call)
{
	_cleanup_(addition_release) struct addition addition = {
	    .kind = call->command->kind,
	    .collection = call->args->words[0],
	    .pairs = calloc((size_t)call->args->count, sizeof(*addition.pairs)),
	};
	int missing = addition.pairs ? gather_files(call, &addition) : -ENOMEM;
	int r = missing < 0 ? missing : write_all(call, &addition);

	if (r < 0)
		return fail_add(call, r);
	return missing > 0 || addition.at < addition.count ? EXITCODE_PARTIAL : EXITCODE_DONE;
}

/* --- remove --- */

struct removal {
	int64_t *collections; /* owned; those of the name */
	size_t collection_count;
	int64_t *pairs; /* owned; what makes the files carry it */
	size_t count;
	size_t at;
	size_t batch;
};

static void removal_release(struct removal *removal)
{
	free(removal->collections);
	free(removal->pairs);
}

static int append_pairs(struct removal *removal, const int64_t *ids, size_t count)
{
	int64_t *pairs;

	if (count == 0)
		return 0;
	pairs = reallocarray(removal->pairs, removal->count + count, sizeof(*pairs));
	if (!pairs)
		return -ENOMEM;
	memcpy(pairs + removal->count, ids, count * sizeof(*ids));
	removal->pairs = pairs;
	removal->count += count;
	return 0;
}

static int gather_reasons(struct db *db, struct removal *removal, int64_t entry)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < removal->collection_count; i++) {
		_cleanup_(free_ptr) int64_t *ids = NULL;
		size_t count;

		r = pair_reasons(db, removal->collections[i], entry, &ids, &count);
		if (r == 0)
			r = append_pairs(removal, ids, count);
	}
	return r;
}

/* Returns how many files could not be found, or an error. */
static int gather_pairs(struct call *call, struct db *db, struct removal *removal)
{
	struct lookup lookup = {.call = call};
	int missing = 0, r = 0;

	for (int i = 1; r == 0 && i < call->args->count && !out_cancelled(call->out); i++) {
		int64_t entry;

		if (lookup_entry(&lookup, call->args->words[i], &entry) < 0)
			missing++;
		else
			r = gather_reasons(db, removal, entry);
	}
	return r < 0 ? r : missing;
}

static int remove_batch(struct txn *txn, void *arg)
{
	struct removal *removal = arg;

	return pair_remove_many(txn, removal->pairs + removal->at, removal->batch);
}

static int remove_all(struct call *call, struct removal *removal)
{
	const struct store_write_opts opts = {.priority = STORE_INTERACTIVE};
	int r = 0;

	for (; r == 0 && removal->at < removal->count && !out_cancelled(call->out); removal->at += removal->batch) {
		size_t left = removal->count - removal->at;

		removal->batch = left < CHANGE_SET_PAIRS ? left : CHANGE_SET_PAIRS;
		r = store_write(call->library->store, &opts, remove_batch, removal);
	}
	return r;
}

int cmd_collection_remove(struct call *call)
{
	_cleanup_(removal_release) struct removal removal = {0};
	const char *name = call->args->words[0];
	struct db *db;
	int missing, r = store_reader(call->library->store, &db);

	if (r == 0 && titles_find_or_say(db, call->command->kind, name, call->out, &removal.collections,
					 &removal.collection_count) < 0)
		return EXITCODE_PARTIAL;
	missing = r < 0 ? r : gather_pairs(call, db, &removal);
	r = missing < 0 ? missing : remove_all(call, &removal);
	if (r < 0)
		return out_fail(call->out, r, "cannot take files out of the %s '%s'", titles_noun(call->command->kind),
				name);
	return missing > 0 || removal.at < removal.count ? EXITCODE_PARTIAL : EXITCODE_DONE;
}
