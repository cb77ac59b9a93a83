#include "index/kin.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "index/beneath.h"

#define CANDIDATES_MAX 16 /* rows with one inode that are looked at: more hard links than that are not told apart */

struct candidate {
	int64_t id;
	int64_t parent;
	struct uuid uuid;
	uint32_t mode;
	bool deleted;
	bool same_name;
};

static bool may_be(const struct entry *row, const struct entry_attr *attr)
{
	if ((row->mode & S_IFMT) != (attr->mode & S_IFMT))
		return false;
	if (row->btime_ns != 0 && attr->btime_ns != 0)
		return row->btime_ns == attr->btime_ns;
	return !row->deleted && row->mtime_ns == attr->mtime_ns && row->size == attr->size;
}

static int collect(struct db *db, const struct site *site, const struct entry_attr *attr, const char *name, size_t len,
		   int64_t except, struct candidate *ret_candidates, size_t *ret_count)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry row;
	size_t count = 0;
	int r;

	r = entry_by_inode(db, site->id, attr->ino, &rows);
	while (r >= 0 && count < CANDIDATES_MAX && (r = entry_next(&rows, &row)) == 0) {
		if (row.id == except || !may_be(&row, attr))
			continue;
		ret_candidates[count++] = (struct candidate){
		    .id = row.id,
		    .parent = row.parent,
		    .uuid = row.uuid,
		    .mode = row.mode,
		    .deleted = row.deleted,
		    .same_name = row.name_len == len && memcmp(row.name, name, len) == 0,
		};
	}
	*ret_count = count;
	return r < 0 ? r : 0;
}

static void path_release(struct buf *path)
{
	buf_release(path);
}

/* Whether nothing of its kind is where the row says. 1 = vanished, 0 = no, or not known. */
static int has_vanished(struct db *db, const struct site *site, const struct candidate *row, bool *ret_parent_missing)
{
	_cleanup_(path_release) struct buf path = BUF_INIT;
	struct beneath_stat st;
	int r;

	*ret_parent_missing = false;
	r = entry_path(db, row->id, &path);
	if (r == -ENOENT)
		return 1;
	if (r >= 0)
		r = buf_append(&path, "", 1);
	if (r < 0)
		return r;
	r = beneath_look_path(site->root_fd, (const char *)path.data, site->device, &st, ret_parent_missing);
	if (r == -ENOENT)
		return 1;
	return r >= 0 && (st.attr.mode & S_IFMT) != (row->mode & S_IFMT);
}

static void choose(const struct candidate *row, bool live, int64_t stray, struct kin *ret_kin)
{
	*ret_kin = (struct kin){.row = row->id, .live = live, .uuid = row->uuid, .stray = stray};
}

/* The best tombstone: one that had this place, then this name, then the youngest. */
static const struct candidate *best_tombstone(const struct candidate *rows, size_t count, int64_t parent)
{
	const struct candidate *best = NULL;
	int best_score = -1;

	for (size_t i = 0; i < count; i++) {
		int score = rows[i].same_name ? 1 + (rows[i].parent == parent) : 0;

		if (!rows[i].deleted || score < best_score)
			continue;
		if (score > best_score || rows[i].id > best->id)
			best = &rows[i];
		best_score = score;
	}
	return best;
}

int kin_find(struct db *db, const struct site *site, const struct entry_attr *attr, int64_t parent, const char *name,
	     size_t len, int64_t except, struct kin *ret_kin)
{
	struct candidate rows[CANDIDATES_MAX];
	const struct candidate *dead;
	size_t count;
	int r;

	*ret_kin = (struct kin){0};
	if (attr->ino == 0)
		return 0;
	r = collect(db, site, attr, name, len, except, rows, &count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		bool stray;

		if (rows[i].deleted)
			continue;
		r = has_vanished(db, site, &rows[i], &stray);
		if (r > 0)
			choose(&rows[i], true, stray ? rows[i].parent : 0, ret_kin);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	dead = best_tombstone(rows, count, parent);
	if (dead)
		choose(dead, false, 0, ret_kin);
	return 0;
}
