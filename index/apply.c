#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "index/engine.h"
#include "index/retry.h"

#define VANISHED_MAX 65536 /* rows that a full compare did not find and keeps until its end */

/* --- comparing --- */

/* Rows that a full compare does not find wait for its end: perhaps it finds them in another place. */
static void note_vanished(void *arg, struct dir *dir, int64_t row)
{
	struct index *index = arg;
	struct site *site = dir->site;
	int r;

	if (dir->full && site->vanished.count < VANISHED_MAX)
		r = idmap_put(&site->vanished, (uint64_t)row, 1);
	else
		r = vanish_add(index->vanish, site, row);
	if (r < 0)
		site->want_full = site->wanted_here = true;
}

static void note_stray(void *arg, int64_t dir)
{
	struct index *index = arg;

	coalesce_dir(index->coalesce, clock_monotonic_ms(), dir, false);
}

static void note_unlinked(void *arg, struct dir *dir, struct db *db, uint64_t ino, int64_t row)
{
	look_at_links(arg, db, dir->site, ino, NULL, row);
}

void apply_init(struct index *index)
{
	index->reconcile = (struct reconcile){
	    .vanished = note_vanished,
	    .stray = note_stray,
	    .unlinked = note_unlinked,
	    .arg = index,
	};
}

/* The rows cannot be read now: all of the directory later. */
static void look_later(struct index *index, struct dir *dir)
{
	struct coalesce_place place = {.dir = dir->id, .deep = dir->deep};

	coalesce_again(index->coalesce, clock_monotonic_ms(), ENGINE_RETRY_MS, &place);
	scan_forget(index, dir);
}

void apply_add(struct index *index, struct dir *dir)
{
	struct apply *apply = &index->apply;
	struct reconcile_changes changes;
	int r = reconcile_compare(index->db, &index->reconcile, dir, &changes);

	if (r < 0) {
		look_later(index, dir);
		return;
	}
	if (!changes.any) {
		scan_finish(index, dir);
		return;
	}
	apply->dirs[apply->count++] = dir;
	apply->items += dir->listing->count;
	/* In a scan of what was not there before nothing can have moved. */
	apply->new_dirs |= changes.new_dirs && !(dir->fresh && dir->site->pristine);
	apply->only_dirs = apply->new_dirs;
}

bool apply_has_room(const struct index *index)
{
	return index->apply.count < ENGINE_BATCH_MAX && index->apply.items < ENGINE_ITEMS_MAX;
}

/* Takes all directories out. */
static size_t take_all(struct apply *apply, struct dir *ret_dirs[ENGINE_BATCH_MAX])
{
	size_t count = apply->count;

	memcpy(ret_dirs, apply->dirs, count * sizeof(*ret_dirs));
	*apply = (struct apply){0};
	return count;
}

/* All directories anew, but those of `without`. Part of them may be written by now, so none is fresh any more. */
static void compare_again(struct index *index, const struct site *without)
{
	struct dir *dirs[ENGINE_BATCH_MAX];
	size_t count = take_all(&index->apply, dirs);

	for (size_t i = 0; i < count; i++) {
		dirs[i]->fresh = false;
		if (dirs[i]->site == without)
			scan_forget(index, dirs[i]);
		else
			apply_add(index, dirs[i]);
	}
}

void apply_drop(struct index *index, const struct site *site)
{
	compare_again(index, site);
}

/* --- writing --- */

static int apply_some(struct txn *txn, void *arg)
{
	struct index *index = arg;
	struct apply *apply = &index->apply;

	apply->steps = 0;
	apply->error = 0;
	for (;;) {
		int r;

		if (apply->at == apply->count && !apply->only_dirs)
			return 0;
		if (apply->at == apply->count) {
			apply->only_dirs = false;
			apply->at = apply->item = 0;
		}
		r = reconcile_apply(txn, &index->reconcile, apply->dirs[apply->at], apply->only_dirs, &apply->item,
				    &apply->steps);
		if (r < 0)
			return apply->error = r;
		if (r > 0)
			return 0;
		apply->at++;
		apply->item = 0;
	}
}

static void finish_all(struct index *index)
{
	struct dir *dirs[ENGINE_BATCH_MAX];
	size_t count = take_all(&index->apply, dirs);

	for (size_t i = 0; i < count; i++)
		scan_finish(index, dirs[i]);
}

/* One step failed in a way that would come again: all others go on without it. */
static void pass_over(struct index *index, int error)
{
	struct apply *apply = &index->apply;
	struct dir *dir = apply->dirs[apply->at];
	const struct listing *listing = dir->listing;
	const char *name = apply->item < listing->count ? listing_name(listing, &listing->items[apply->item]) : NULL;

	if (reconcile_fault(dir, apply->item))
		engine_passed_over(index, dir, name, "the catalogue cannot take in", error);
	compare_again(index, NULL);
}

void apply_step(struct index *index)
{
	struct store_write_opts bulk = {.priority = STORE_BULK};
	struct apply *apply = &index->apply;
	int r;

	if (apply->count == 0 || !engine_may_write(index))
		return;
	if (apply->again)
		compare_again(index, NULL);
	if (apply->count == 0)
		return;
	apply->error = 0;
	r = store_write(index->store, &bulk, apply_some, index);
	if (r < 0 && r == apply->error && !retry_helps(r))
		pass_over(index, r);
	else if (engine_wrote(index, r) < 0)
		apply->again = true;
	else if (apply->at == apply->count && !apply->only_dirs)
		finish_all(index);
}

/* --- content ids --- */

static int write_results(struct txn *txn, void *arg)
{
	struct index *index = arg;

	for (size_t i = 0; i < index->result_count; i++) {
		const struct hasher_result *result = &index->results[i];
		int r = entry_set_content(txn, result->entry, result->size, result->mtime_ns, result->content);

		index->result_at = i;
		/* It changed meanwhile, or is gone: then it is another file's turn. */
		if (r < 0 && r != -ERR_STALE && r != -ENOENT && r != -EPERM)
			return r;
	}
	index->result_at = index->result_count;
	return 0;
}

/* One result failed in a way that would come again: the others go on without it. */
static void drop_result(struct index *index, int error)
{
	struct hasher_result *results = index->results;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t row = results[index->result_at].entry;
	struct entry entry;
	struct site *site = NULL;

	if (entry_get(index->db, row, &entry, &rows) >= 0)
		site = engine_site(index, entry.location);
	rows_release(&rows);
	if (site)
		engine_passed_over_row(index, site, row, "the catalogue cannot take in the content id of", error);
	index->result_count--;
	memmove(&results[index->result_at], &results[index->result_at + 1],
		(index->result_count - index->result_at) * sizeof(*results));
}

void apply_results(struct index *index, bool eager)
{
	struct store_write_opts bulk = {.priority = STORE_BULK};
	int r;

	if (!index->hasher || !engine_may_write(index))
		return;
	if (index->result_count == 0)
		index->result_count = hasher_take(index->hasher, eager, index->results, ENGINE_RESULTS_MAX);
	if (index->result_count == 0)
		return;
	index->result_at = index->result_count;
	r = store_write(index->store, &bulk, write_results, index);
	if (r < 0 && !retry_helps(r) && index->result_at < index->result_count)
		drop_result(index, r);
	else if (engine_wrote(index, r) >= 0)
		index->result_count = 0;
}
