/* A queue of (site, row), worked on from the front. The first rows of one site are looked at on the disk, without a
 * transaction; those that are gone are deleted in one. What it does not come to is put back and looked at again before
 * the next, as a name may come back meanwhile. A large directory takes several: `stack` holds the directories on the
 * way down to the one that is deleted next, whose files go first, a piece at a time, and `partial` is the row at its
 * bottom, the first in the queue. */
#include "index/vanish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "index/beneath.h"
#include "index/dir.h"
#include "index/retry.h"
#include "store/entry.h"

#define BATCH_MAX 512 /* rows that are looked at together */
#define PIECE_MAX 256 /* files of one directory that are deleted between two looks at the clock */

struct item {
	struct site *site;
	int64_t row;
};

struct vanish {
	struct vanish_opts opts;
	struct item *items; /* owned; those before `first` are done */
	size_t first, count, capacity;
	struct buf stack; /* struct level each */
	int64_t partial;  /* 0 = none */
};

struct level {
	int64_t id;
	int64_t after; /* the files in it up to this one are deleted */
	bool expanded; /* the directories in it are above it on the stack, or deleted */
};

int vanish_new(const struct vanish_opts *opts, struct vanish **ret_vanish)
{
	struct vanish *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->opts = *opts;
	*ret_vanish = v;
	return 0;
}

void vanish_free(struct vanish *v)
{
	if (!v)
		return;
	buf_release(&v->stack);
	free(v->items);
	free(v);
}

int vanish_add(struct vanish *v, struct site *site, int64_t row)
{
	if (v->count == v->capacity && v->first > 0) {
		memmove(v->items, v->items + v->first, (v->count - v->first) * sizeof(*v->items));
		v->count -= v->first;
		v->first = 0;
	}
	if (v->count == v->capacity) {
		size_t capacity = v->capacity ? v->capacity * 2 : 64;
		struct item *items = reallocarray(v->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		v->items = items;
		v->capacity = capacity;
	}
	v->items[v->count++] = (struct item){.site = site, .row = row};
	return 0;
}

bool vanish_is_empty(const struct vanish *v)
{
	return v->first == v->count;
}

static void start_over(struct vanish *v)
{
	v->partial = 0;
	buf_clear(&v->stack);
}

void vanish_drop(struct vanish *v, const struct site *site)
{
	size_t kept = v->first;

	if (kept < v->count && v->items[kept].site == site)
		start_over(v);
	for (size_t i = v->first; i < v->count; i++)
		if (v->items[i].site != site)
			v->items[kept++] = v->items[i];
	v->count = kept;
}

/* --- another look --- */

struct look {
	struct db *db;
	struct site *site;
	/* The directory of the row before, as many have the same one. */
	struct dir *dir;
	int fd; /* negative errno: it is not there */
	struct ignore_scope scope;
};

static void look_leave(struct look *look)
{
	close_fd(&look->fd);
	ignore_scope_release(&look->scope);
	dir_unref(look->dir);
	look->dir = NULL;
	look->fd = -1;
}

static int look_enter(struct look *look, int64_t dir)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	int r;

	if (look->dir && look->dir->id == dir)
		return 0;
	look_leave(look);
	r = dir_load(look->db, look->site, dir, &look->dir);
	if (r >= 0)
		r = dir_scope(look->dir, true, &look->scope);
	if (r >= 0)
		r = dir_path(look->dir, &path);
	if (r >= 0)
		look->fd = beneath_open(look->site->root_fd, (const char *)path.data, O_PATH | O_DIRECTORY);
	return r;
}

struct row {
	int64_t id, parent;
	uint64_t ino;
	uint32_t mode;
	size_t len;
	char name[UINT8_MAX + 1];
};

/* Errors: -ENOENT (deleted, or no row of the site). */
static int load_row(struct db *db, const struct site *site, int64_t id, struct row *ret_row)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r;

	r = entry_get(db, id, &entry, &rows);
	if (r < 0)
		return r;
	if (entry.deleted || entry.location != site->id || entry.parent == 0 || entry.name_len >= sizeof(ret_row->name))
		return -ENOENT;
	*ret_row = (struct row){
	    .id = id,
	    .parent = entry.parent,
	    .ino = entry.ino,
	    .mode = entry.mode,
	    .len = entry.name_len,
	};
	memcpy(ret_row->name, entry.name, entry.name_len);
	ret_row->name[entry.name_len] = '\0';
	return 0;
}

/* Whether another row has the place. 1 = yes. */
static int is_shadowed(struct db *db, const struct row *row)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry other;
	int r = entry_child(db, row->parent, row->name, row->len, &other, &rows);

	return r < 0 ? r : other.id != row->id;
}

/* Whether the name is not there any more. 1 = gone, 0 = it is, or that cannot be told now. */
static int is_gone(struct look *look, const struct row *row)
{
	struct beneath_stat st;
	int r;

	if (look->fd < 0) /* its directory is to be compared first, and takes it along if it is gone */
		return 0;
	r = beneath_look(look->fd, row->name, look->site->device, &st);
	if (r == -ENOENT)
		return 1;
	if (r < 0)
		return 0;
	if (ignore_scope_drops(&look->scope, row->name, row->len, S_ISDIR(st.attr.mode)))
		return 1;
	return is_shadowed(look->db, row);
}

/* Some rows of one site that were taken from the queue: those that are gone. */
struct doomed {
	struct vanish *vanish;
	struct site *site;
	size_t count, deleted;
	int error; /* that the row after those came to; 0 = it was the transaction itself */
	int64_t rows[BATCH_MAX];
};

static void stay(struct vanish *v, const struct row *row)
{
	if (row->id == v->partial) {
		v->opts.halfway(v->opts.arg, row->id);
		start_over(v);
	}
	v->opts.present(v->opts.arg, row->parent, row->name, row->len);
}

static int examine(struct doomed *doomed, struct look *look, int64_t id)
{
	struct vanish *v = doomed->vanish;
	struct row row;
	int r;

	r = load_row(look->db, look->site, id, &row);
	if (r >= 0)
		r = look_enter(look, row.parent);
	if (r >= 0)
		r = is_gone(look, &row);
	if (r > 0) {
		doomed->rows[doomed->count++] = id;
		if (row.ino != 0 && !S_ISDIR(row.mode))
			v->opts.unlinked(v->opts.arg, look->site, row.ino, id);
	} else if (r == 0) {
		stay(v, &row);
	} else if (r == -ENOENT && id == v->partial) {
		start_over(v);
	}
	return r < 0 && r != -ENOENT ? r : 0;
}

static int examine_batch(struct doomed *doomed, struct db *db)
{
	struct vanish *v = doomed->vanish;
	_cleanup_(look_leave) struct look look = {.db = db, .site = doomed->site, .fd = -1, .scope = IGNORE_SCOPE_INIT};
	int r = 0;

	while (r >= 0 && v->first < v->count && v->items[v->first].site == look.site && doomed->count < BATCH_MAX) {
		r = examine(doomed, &look, v->items[v->first].row);
		if (r < 0 && !retry_helps(r)) {
			v->opts.stuck(v->opts.arg, look.site, v->items[v->first].row, r);
			start_over(v);
			r = 0;
		}
		v->first += r >= 0;
	}
	return r;
}

/* What was not deleted goes back to the front, where it came from. */
static void put_back(struct doomed *doomed)
{
	struct vanish *v = doomed->vanish;

	for (size_t i = doomed->count; i > doomed->deleted; i--)
		v->items[--v->first] = (struct item){.site = doomed->site, .row = doomed->rows[i - 1]};
	if (v->first == v->count)
		v->first = v->count = 0;
}

/* --- deleting --- */

static int push(struct vanish *v, int64_t id)
{
	struct level level = {.id = id};

	return buf_append(&v->stack, &level, sizeof(level));
}

static struct level *top(struct vanish *v)
{
	return (struct level *)(void *)(v->stack.data + v->stack.len) - 1;
}

static int push_dirs(struct vanish *v, struct db *db, int64_t dir)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r;

	r = entry_list(db, dir, 0, false, &rows);
	while (r >= 0 && (r = entry_next(&rows, &entry)) == 0)
		if (S_ISDIR(entry.mode))
			r = push(v, entry.id);
	return r < 0 ? r : 0;
}

/* The next files of a directory with many. 1: so few are left that they may go with it. */
static int delete_piece(struct vanish *v, struct txn *txn)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	int64_t ids[PIECE_MAX];
	struct entry entry;
	size_t count = 0;
	int r;

	r = entry_list(txn_db(txn), top(v)->id, top(v)->after, false, &rows);
	while (r >= 0 && count < PIECE_MAX && (r = entry_next(&rows, &entry)) == 0)
		if (!S_ISDIR(entry.mode))
			ids[count++] = entry.id;
	if (r < 0 || count < PIECE_MAX)
		return r < 0 ? r : 1;
	rows_release(&rows);
	for (size_t i = 0; i < count; i++) {
		r = entry_delete(txn, ids[i]);
		if (r < 0 && r != -ENOENT && r != -EPERM)
			return r;
	}
	top(v)->after = ids[count - 1];
	return 0;
}

/* One directory with the few files that are left in it, or some of its files, or one file. */
static int delete_top(struct doomed *doomed, struct txn *txn)
{
	struct vanish *v = doomed->vanish;
	int64_t id = top(v)->id;
	int r;

	if (!top(v)->expanded) {
		top(v)->expanded = true;
		return push_dirs(v, txn_db(txn), id);
	}
	r = delete_piece(v, txn);
	if (r <= 0)
		return r;
	r = entry_delete(txn, id);
	if (r < 0 && r != -ENOENT && r != -EPERM)
		return r;
	site_forget_dir(doomed->site, id);
	v->stack.len -= sizeof(struct level);
	return 0;
}

static int delete_some(struct txn *txn, void *arg)
{
	struct doomed *doomed = arg;
	struct vanish *v = doomed->vanish;

	do {
		int r = 0;

		if (v->stack.len == 0) {
			v->partial = doomed->rows[doomed->deleted];
			r = push(v, v->partial);
		}
		if (r >= 0)
			r = delete_top(doomed, txn);
		if (r < 0)
			return doomed->error = r;
		if (v->stack.len == 0) {
			v->partial = 0;
			doomed->deleted++;
		}
	} while (doomed->deleted < doomed->count && !txn_should_yield(txn));
	return 0;
}

static int delete_batch(struct doomed *doomed)
{
	struct store_write_opts bulk = {.priority = STORE_BULK};
	struct vanish *v = doomed->vanish;
	int r;

	/* What was looked at may have been the empty place of a disk that is gone: only now it counts. */
	r = site_look(doomed->site);
	if (r < 0)
		return r;
	r = store_write(v->opts.store, &bulk, delete_some, doomed);
	if (r >= 0)
		return r;
	start_over(v);
	if (r == doomed->error && !retry_helps(r)) { /* all others go on without it */
		int64_t *stuck = &doomed->rows[doomed->deleted];

		v->opts.stuck(v->opts.arg, doomed->site, *stuck, r);
		memmove(stuck, stuck + 1, (--doomed->count - doomed->deleted) * sizeof(*stuck));
		r = 0;
	}
	doomed->deleted = 0;
	return r;
}

int vanish_step(struct vanish *v, struct db *db, size_t *ret_deleted)
{
	struct doomed doomed = {.vanish = v};
	int r;

	*ret_deleted = 0;
	if (vanish_is_empty(v))
		return 0;
	doomed.site = v->items[v->first].site;
	r = examine_batch(&doomed, db);
	if (r >= 0 && doomed.count > 0)
		r = delete_batch(&doomed);
	*ret_deleted = doomed.deleted;
	put_back(&doomed);
	return r;
}

struct site *vanish_site(const struct vanish *v)
{
	return vanish_is_empty(v) ? NULL : v->items[v->first].site;
}
