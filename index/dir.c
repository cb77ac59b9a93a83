#include "index/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "index/site.h"

struct dir *dir_new(struct site *site, struct dir *parent, int64_t id, const struct entry_attr *attr, const char *name,
		    size_t len)
{
	struct dir *dir = calloc(1, sizeof(*dir) + len + 1);

	if (!dir)
		return NULL;
	dir->site = site;
	dir->parent = parent;
	if (parent)
		parent->refs++;
	dir->id = id;
	dir->attr = *attr;
	dir->refs = 1;
	dir->len = (uint8_t)len;
	if (len > 0) /* the root's name may be NULL, which memcpy does not allow */
		memcpy(dir->name, name, len);
	dir->ignore = ignore_ref(site_ignore(site, id));
	return dir;
}

/* --- from the rows --- */

struct above { /* one row on the way up */
	int64_t id;
	struct entry_attr attr;
	size_t name; /* where it begins in the names */
	size_t len;
};

struct way {
	struct buf rows; /* struct above each, the directory first */
	struct buf names;
};

static void way_release(struct way *way)
{
	buf_release(&way->rows);
	buf_release(&way->names);
}

static int add_row(struct db *db, const struct site *site, struct way *way, int64_t *id)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct above above;
	struct entry entry;
	int r;

	r = entry_get(db, *id, &entry, &rows);
	if (r < 0)
		return r;
	if (entry.deleted || entry.location != site->id || !S_ISDIR(entry.mode) || entry.name_len > UINT8_MAX ||
	    (entry.parent == 0) != (*id == site->root))
		return -ENOENT;
	above = (struct above){
	    .id = *id,
	    .attr = {.mode = entry.mode,
		     .size = entry.size,
		     .mtime_ns = entry.mtime_ns,
		     .ino = entry.ino,
		     .btime_ns = entry.btime_ns},
	    .name = way->names.len,
	    .len = entry.name_len,
	};
	buf_append(&way->names, entry.name, entry.name_len);
	buf_append(&way->rows, &above, sizeof(above));
	*id = entry.parent;
	return buf_error(&way->names) < 0 ? -ENOMEM : buf_error(&way->rows);
}

int dir_load(struct db *db, struct site *site, int64_t id, struct dir **ret_dir)
{
	_cleanup_(way_release) struct way way = {.rows = BUF_INIT, .names = BUF_INIT};
	_cleanup_(dir_unrefp) struct dir *dir = NULL;
	int r;

	for (unsigned depth = 0; id != 0; depth++) {
		if (depth > ENTRY_DEPTH_MAX)
			return -ELOOP;
		r = add_row(db, site, &way, &id);
		if (r < 0)
			return r;
	}
	for (size_t at = way.rows.len; at > 0; at -= sizeof(struct above)) {
		struct above above;
		struct dir *below;

		memcpy(&above, way.rows.data + at - sizeof(above), sizeof(above));
		below = dir_new(site, dir, above.id, &above.attr, above.len > 0 ? (const char *)way.names.data + above.name : "",
				above.len);
		if (!below)
			return -ENOMEM;
		dir_unref(dir); /* `below` refers to it */
		dir = below;
	}
	if (!dir)
		return -ENOENT;
	*ret_dir = TAKE_PTR(dir);
	return 0;
}

void dir_unref(struct dir *dir)
{
	while (dir && --dir->refs == 0) {
		struct dir *parent = dir->parent;

		if (dir->listing)
			listing_release(dir->listing);
		free(dir->listing);
		ignore_unref(dir->ignore);
		free(dir);
		dir = parent;
	}
}

void dir_unrefp(struct dir **dir)
{
	dir_unref(*dir);
}

/* --- paths --- */

static size_t path_len(const struct dir *dir)
{
	size_t len = 0;

	for (; dir->parent; dir = dir->parent)
		len += dir->len + 1u;
	return len;
}

/* Writes the path with a '/' after each name: from the end, as the names are known from there. */
static int append_path(const struct dir *dir, struct buf *ret_path)
{
	size_t len = path_len(dir);
	_cleanup_(free_ptr) char *path = malloc(len + 1);
	size_t at = len;

	if (!path)
		return -ENOMEM;
	path[len] = '\0';
	for (; dir->parent; dir = dir->parent) {
		path[--at] = '/';
		at -= dir->len;
		memcpy(path + at, dir->name, dir->len);
	}
	if (buf_append(ret_path, path, len + 1) < 0)
		return -ENOMEM;
	ret_path->len--;
	return 0;
}

int dir_path(const struct dir *dir, struct buf *ret_path)
{
	int r = append_path(dir, ret_path);

	if (r >= 0 && ret_path->len > 0)
		ret_path->data[--ret_path->len] = '\0';
	return r;
}

/* The lists of all directories above, the highest first. Most have none, so looking for them twice is cheap. */
static int add_levels(const struct dir *dir, bool own, struct ignore_scope *scope)
{
	const struct dir *with = own && dir->ignore ? dir : NULL;
	size_t base;
	int r;

	for (const struct dir *above = dir->parent; above && !with; above = above->parent)
		with = above->ignore ? above : NULL;
	if (!with)
		return 0;
	/* `with` is the deepest one: those above it go first. */
	r = with->parent ? add_levels(with, false, scope) : 0;
	base = path_len(with);
	return r < 0 ? r : ignore_scope_add(scope, with->ignore, base);
}

int dir_scope(const struct dir *dir, bool own, struct ignore_scope *ret_scope)
{
	int r;

	r = ignore_scope_add(ret_scope, dir->site->defaults, 0);
	if (r >= 0)
		r = ignore_scope_add(ret_scope, dir->site->exclude, 0);
	if (r >= 0)
		r = add_levels(dir, own, ret_scope);
	return r < 0 ? r : append_path(dir, &ret_scope->path);
}
