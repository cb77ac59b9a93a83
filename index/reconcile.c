#include "index/reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "index/kin.h"
#include "index/site.h"
#include "store/pair.h"

/* --- comparing --- */

static bool is_same_attr(const struct entry_attr *a, const struct entry_attr *b)
{
	return a->mode == b->mode && a->size == b->size && a->mtime_ns == b->mtime_ns && a->ino == b->ino &&
	       a->btime_ns == b->btime_ns;
}

static struct entry_attr attr_of(const struct entry *row)
{
	return (struct entry_attr){
	    .mode = row->mode,
	    .size = row->size,
	    .mtime_ns = row->mtime_ns,
	    .ino = row->ino,
	    .btime_ns = row->btime_ns,
	};
}

/* The step of an item whose name has a row. */
static void meet(struct seen *seen, const struct entry *row)
{
	struct entry_attr attr = attr_of(row);

	seen->row = row->id;
	if (seen->flags & SEEN_UNKNOWN) {
		seen->step = STEP_NONE;
		return;
	}
	if ((row->mode & S_IFMT) != (seen->attr.mode & S_IFMT)) {
		seen->step = STEP_REPLACE;
		return;
	}
	seen->step = is_same_attr(&attr, &seen->attr) ? STEP_NONE : STEP_UPDATE;
	if (!S_ISDIR(row->mode))
		return;
	/* Another directory, or one that could not be read, or not by its owner: what is in it is not known. */
	if (row->ino != seen->attr.ino || (row->mode != seen->attr.mode && (row->mode & 0500) != 0500))
		seen->flags |= SEEN_ENTER;
}

static void expect_all_new(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++) {
		struct seen *seen = &listing->items[i];

		seen->row = 0;
		seen->step = seen->flags & (SEEN_ABSENT | SEEN_UNKNOWN) ? STEP_NONE : STEP_NEW;
	}
}

/* Where each name of a listing is: an open table of item numbers, counted from 1. */
struct name_table {
	uint32_t *slots; /* owned */
	size_t mask;
};

static size_t name_hash(const char *name, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++) /* FNV-1a */
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	return (size_t)(hash ^ hash >> 32);
}

static uint32_t *find_slot(const struct name_table *table, const struct listing *listing, const char *name, size_t len)
{
	size_t at = name_hash(name, len) & table->mask;

	for (; table->slots[at] != 0; at = (at + 1) & table->mask) {
		const struct seen *seen = &listing->items[table->slots[at] - 1];

		if (seen->len == len && memcmp(listing_name(listing, seen), name, len) == 0)
			break;
	}
	return &table->slots[at];
}

static void name_table_release(struct name_table *table)
{
	free(table->slots);
}

static int name_table_fill(struct name_table *table, const struct listing *listing)
{
	size_t capacity = 16;

	while (capacity < listing->count * 2)
		capacity *= 2;
	table->slots = calloc(capacity, sizeof(*table->slots));
	if (!table->slots)
		return -ENOMEM;
	table->mask = capacity - 1;
	for (size_t i = 0; i < listing->count; i++) {
		const struct seen *seen = &listing->items[i];

		*find_slot(table, listing, listing_name(listing, seen), seen->len) = (uint32_t)i + 1;
	}
	return 0;
}

/* All names against all rows. */
static int compare_whole(struct db *db, const struct reconcile *reconcile, struct dir *dir)
{
	_cleanup_(name_table_release) struct name_table table = {0};
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct listing *listing = dir->listing;
	struct entry row;
	int r;

	r = name_table_fill(&table, listing);
	if (r >= 0)
		r = entry_list(db, dir->id, 0, true, &rows);
	while (r >= 0 && (r = entry_next(&rows, &row)) == 0) {
		uint32_t item = *find_slot(&table, listing, row.name, row.name_len);

		/* Of two rows with one name the second is too much. */
		if (item != 0 && listing->items[item - 1].row == 0)
			meet(&listing->items[item - 1], &row);
		else
			reconcile->vanished(reconcile->arg, dir, row.id);
	}
	return r < 0 ? r : 0;
}

static int compare_name(struct db *db, const struct reconcile *reconcile, struct dir *dir, struct seen *seen)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry row;
	int r;

	r = entry_child(db, dir->id, listing_name(dir->listing, seen), seen->len, &row, &rows);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (seen->flags & SEEN_ABSENT)
		reconcile->vanished(reconcile->arg, dir, row.id);
	else
		meet(seen, &row);
	/* A directory that came back after its watch was dropped. */
	if (S_ISDIR(seen->attr.mode) && dir->site->watch && !watch_has(dir->site->watch, row.id))
		seen->flags |= SEEN_ENTER;
	return 0;
}

/* What could not be written with its pairs (1) is written without them, and not at all after that (2). */
#define FAULTS_MAX 2

static void pass_over(struct seen *seen)
{
	if (seen->step == STEP_NEW || seen->step == STEP_REPLACE) /* no row is this one's */
		seen->row = 0;
	seen->step = STEP_NONE;
}

static bool differs_itself(const struct dir *dir)
{
	return dir->listing->has_self && !dir->faulty && !is_same_attr(&dir->listing->self, &dir->attr);
}

int reconcile_compare(struct db *db, const struct reconcile *reconcile, struct dir *dir,
		      struct reconcile_changes *ret_changes)
{
	struct reconcile_changes changes = {0};
	struct listing *listing = dir->listing;
	int r;

	expect_all_new(listing);
	if (!dir->fresh) {
		r = db_begin(db);
		if (r < 0)
			return r;
		if (listing->whole)
			r = compare_whole(db, reconcile, dir);
		for (size_t i = 0; i < listing->count && !listing->whole && r >= 0; i++)
			r = compare_name(db, reconcile, dir, &listing->items[i]);
		db_end(db);
		if (r < 0)
			return r;
	}
	changes.any = differs_itself(dir);
	for (size_t i = 0; i < listing->count; i++) {
		struct seen *seen = &listing->items[i];

		if (seen->faults >= FAULTS_MAX)
			pass_over(seen);
		changes.any |= seen->step != STEP_NONE;
		changes.new_dirs |= seen->step == STEP_NEW && S_ISDIR(seen->attr.mode);
	}
	*ret_changes = changes;
	return 0;
}

/* --- writing --- */

/* A transaction does at least this many steps: with somebody interactive always waiting it would never get on. */
#define STEPS_MIN 32

struct step {
	struct txn *txn;
	const struct reconcile *reconcile;
	struct dir *dir;
	struct seen *seen;
	const char *name;
};

/* 1 = the row is deleted, 0 = it is not. */
static int is_deleted(struct db *db, int64_t row)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, row, &entry, &rows);

	return r == -ENOENT ? 1 : r < 0 ? r : entry.deleted;
}

/* 1 = the location is deleted, or is not this device's any more; 0 = it is. */
static int is_lost(struct txn *txn, const struct site *site)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_get(txn_db(txn), site->id, &location, &rows);

	return r == -ENOENT ? 1 : r < 0 ? r : location.device != txn_info(txn)->device_row;
}

/* Whether an error came because what is written to is gone meanwhile, with its location or by another hand: then there
 * is nothing to be done. `row`: 0 = none. The same error of anything else is not of this kind. 1 = yes. */
static int is_about_row(struct txn *txn, const struct dir *dir, int64_t row, int error)
{
	int r;

	if (error != -ENOENT && error != -EPERM && error != -EINVAL)
		return 0;
	r = is_lost(txn, dir->site);
	if (r == 0)
		r = is_deleted(txn_db(txn), dir->id);
	if (r == 0 && row != 0)
		r = is_deleted(txn_db(txn), row);
	return r;
}

static int insert(const struct step *step)
{
	struct entry_place place = {
	    .location = step->dir->site->id,
	    .parent = step->dir->id,
	    .name = step->name,
	    .name_len = step->seen->len,
	};
	int r;

	r = entry_insert(step->txn, &place, &step->seen->attr, &step->seen->row);
	if (r >= 0 && S_ISDIR(step->seen->attr.mode))
		step->seen->flags |= SEEN_ENTER | SEEN_FRESH;
	return r;
}

/* The row moves to the name that was seen. */
static int continue_row(const struct step *step, const struct kin *kin)
{
	struct seen *seen = step->seen;
	int r;

	r = entry_move(step->txn, kin->row, step->dir->id, step->name, seen->len);
	if (r == -ELOOP) /* rows further up are still to be moved: a row of its own is right as well */
		return insert(step);
	if (r >= 0)
		r = entry_update(step->txn, kin->row, &seen->attr);
	if (r < 0)
		return r;
	seen->row = kin->row;
	seen->flags &= (uint8_t)~SEEN_FRESH;
	/* What is below a directory that was deleted is deleted, and what is not watched may have changed. */
	if (S_ISDIR(seen->attr.mode) &&
	    !(kin->live && step->dir->site->watch && watch_has(step->dir->site->watch, kin->row)))
		seen->flags |= SEEN_ENTER;
	return 0;
}

static void tell_stray(const struct step *step, const struct kin *kin)
{
	if (kin->stray != 0)
		step->reconcile->stray(step->reconcile->arg, kin->stray);
}

static int find_kin(const struct step *step, int64_t except, struct kin *ret_kin)
{
	return kin_find(txn_db(step->txn), step->dir->site, &step->seen->attr, step->dir->id, step->name,
			step->seen->len, except, ret_kin);
}

/* Whether the name has a row after all: one that was made or moved here since the comparison. */
static int find_row(const struct step *step, int64_t *ret_row)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry row;
	int r;

	*ret_row = 0;
	r = entry_child(txn_db(step->txn), step->dir->id, step->name, step->seen->len, &row, &rows);
	if (r >= 0)
		*ret_row = row.id;
	return r == -ENOENT ? 0 : r;
}

static int do_new(const struct step *step)
{
	struct kin kin = {0};
	int64_t row = 0;
	int r = 0;

	if (!step->dir->fresh)
		r = find_row(step, &row);
	if (r >= 0 && row != 0) {
		step->seen->row = row;
		step->seen->flags &= (uint8_t)~SEEN_FRESH;
		return entry_update(step->txn, row, &step->seen->attr);
	}
	if (r >= 0 && !step->dir->site->pristine)
		r = find_kin(step, 0, &kin);
	if (r < 0)
		return r;
	if (kin.row == 0)
		return insert(step);
	tell_stray(step, &kin);
	return continue_row(step, &kin);
}

static int has_pairs(struct db *db, const struct uuid *entry)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_of_entry(db, entry, &rows);

	if (r >= 0)
		r = pair_next(&rows, &pair);
	return r < 0 ? r : r == 0;
}

/* The name has another inode now. If that was an entry of its own, it was renamed over this one: the name keeps its
 * row, which takes over what the other one was in. */
static int take_over(const struct step *step)
{
	struct kin kin;
	int r;

	r = find_kin(step, step->seen->row, &kin);
	if (r < 0 || kin.row == 0)
		return r;
	tell_stray(step, &kin);
	if (kin.live)
		step->reconcile->vanished(step->reconcile->arg, step->dir, kin.row);
	if (step->seen->faults > 0) /* its pairs are what could not be written */
		return 0;
	r = has_pairs(txn_db(step->txn), &kin.uuid);
	return r > 0 ? pair_adopt(step->txn, kin.row, step->seen->row) : r;
}

static int old_inode(const struct step *step, uint64_t *ret_ino)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry row;
	int r;

	r = entry_get(txn_db(step->txn), step->seen->row, &row, &rows);
	if (r >= 0)
		*ret_ino = row.ino;
	return r;
}

static void tell_unlinked(const struct step *step, uint64_t ino)
{
	if (ino != 0 && !step->dir->full)
		step->reconcile->unlinked(step->reconcile->arg, step->dir, txn_db(step->txn), ino, step->seen->row);
}

static int do_update(const struct step *step)
{
	uint64_t ino;
	int r;

	r = old_inode(step, &ino);
	if (r >= 0 && ino != step->seen->attr.ino) {
		r = take_over(step);
		tell_unlinked(step, ino);
	}
	return r < 0 ? r : entry_update(step->txn, step->seen->row, &step->seen->attr);
}

/* Another kind of thing: the row goes, unless it was moved away meanwhile, and the name is new. */
static int do_replace(const struct step *step)
{
	uint64_t ino;
	int64_t row;
	int r;

	r = find_row(step, &row);
	if (r >= 0 && row == step->seen->row) {
		if (old_inode(step, &ino) >= 0)
			tell_unlinked(step, ino);
		r = entry_delete(step->txn, row);
		if (r >= 0)
			site_forget_dir(step->dir->site, row);
	}
	step->seen->row = 0;
	return r < 0 ? r : do_new(step);
}

/* On an error the item is as it was. */
static int do_step(const struct step *step)
{
	struct seen *seen = step->seen, before = *seen;
	int r = 0, about;

	if (seen->step == STEP_NEW)
		r = do_new(step);
	else if (seen->step == STEP_UPDATE)
		r = do_update(step);
	else if (seen->step == STEP_REPLACE)
		r = do_replace(step);
	about = r < 0 ? is_about_row(step->txn, step->dir, before.row, r) : 0;
	if (about > 0) {
		seen->row = 0;
		r = 0;
	}
	if (r >= 0)
		seen->step = STEP_DONE;
	else
		*seen = before;
	return about < 0 ? about : r;
}

static int update_self(struct txn *txn, struct dir *dir)
{
	int r, about;

	if (!differs_itself(dir))
		return 0;
	r = entry_update(txn, dir->id, &dir->listing->self);
	about = r < 0 ? is_about_row(txn, dir, 0, r) : 0;
	return about != 0 ? (about < 0 ? about : 0) : r;
}

static bool is_due(const struct seen *seen, bool only_dirs)
{
	if (only_dirs)
		return seen->step == STEP_NEW && S_ISDIR(seen->attr.mode);
	return seen->step != STEP_NONE && seen->step != STEP_DONE;
}

int reconcile_apply(struct txn *txn, const struct reconcile *reconcile, struct dir *dir, bool only_dirs, size_t *item,
		    size_t *steps)
{
	struct listing *listing = dir->listing;
	int r;

	for (; *item < listing->count; (*item)++) {
		struct seen *seen = &listing->items[*item];
		struct step step = {txn, reconcile, dir, seen, listing_name(listing, seen)};

		if (!is_due(seen, only_dirs))
			continue;
		r = do_step(&step);
		if (r < 0)
			return r;
		if (++*steps % STEPS_MIN == 0 && txn_should_yield(txn)) {
			(*item)++;
			return 1;
		}
	}
	return only_dirs ? 0 : update_self(txn, dir);
}

bool reconcile_fault(struct dir *dir, size_t item)
{
	if (item >= dir->listing->count) {
		dir->faulty = true;
		return true;
	}
	return ++dir->listing->items[item].faults >= FAULTS_MAX;
}
