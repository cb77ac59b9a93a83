/* Listings. An offset is the row id of the last entry that was given, plus 2: "." and ".." are 1 and 2. Each directory is
 * read through an index that ends in the row id, so going on from an offset costs nothing, needs no state, and what is
 * inserted or deleted meanwhile makes no other entry come twice or not at all. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fs/dir.h"
#include "fs/link.h"
#include "fs/names.h"
#include "fs/node.h"
#include "store/entry.h"
#include "store/pair.h"
#include "store/place.h"

enum { OFFSET_SELF = 1, OFFSET_PARENT = 2 };

struct listing {
	struct fs *fs;
	struct db *db;
	struct dir dir;
	int64_t after; /* row id */
	fs_fill_fn *fill;
	void *arg;
	bool plus;
	struct link_memo memo;
};

/* 1: the listing ends here. A name that Linux would refuse would make the kernel drop the whole listing: it is left out. */
static int give(struct listing *l, const char *name, size_t len, const struct fs_attr *attr, int64_t id)
{
	char text[TEXT_NAME_MAX + 1];

	if (!text_is_filename(name, len))
		return 0;
	memcpy(text, name, len);
	text[len] = '\0';
	return l->fill(l->arg, text, attr, (uint64_t)id + OFFSET_PARENT) != 0;
}

static int give_dots(struct listing *l, uint64_t offset)
{
	struct fs_attr attr;
	int full = 0;

	node_attr_of_dir(l->fs, l->dir.ino, 0, &attr);
	if (offset < OFFSET_SELF)
		full = l->fill(l->arg, ".", &attr, OFFSET_SELF) != 0;
	attr.ino = l->dir.parent;
	if (!full && offset < OFFSET_PARENT)
		full = l->fill(l->arg, "..", &attr, OFFSET_PARENT) != 0;
	return full;
}

/* --- each kind of directory: 1 = full, 0 = at its end --- */

static int list_root(struct listing *l)
{
	const struct dir_fixed *one;
	struct fs_attr attr;
	int r = 0;

	for (size_t i = 0; r == 0 && (one = dir_fixed_at(i)) != NULL; i++) {
		if ((int64_t)one->ino <= l->after)
			continue;
		node_attr_of_dir(l->fs, one->ino, dir_permissions(one->kind), &attr);
		r = give(l, one->name, strlen(one->name), &attr, (int64_t)one->ino);
	}
	return r;
}

static int sibling_attr(struct listing *l, const struct sibling *one, struct fs_attr *ret_attr)
{
	if (l->dir.kind == DIR_DEVICE)
		return node_attr(l->fs, l->db, object(OBJECT_ENTRY, one->root), ret_attr);
	node_attr_of_dir(l->fs, object(OBJECT_DEVICE, one->id), dir_permissions(DIR_DEVICE), ret_attr);
	return 0;
}

static int list_siblings(struct listing *l)
{
	_cleanup_(siblings_release) struct siblings s = { 0 };
	struct fs_attr attr;
	struct name name;
	int r = siblings_of_dir(l->db, &l->dir, &s);

	for (size_t i = 0; r == 0 && i < s.count; i++) {
		if (s.items[i].id <= l->after)
			continue;
		siblings_name(&s, i, &name);
		r = sibling_attr(l, &s.items[i], &attr);
		if (r == -ENOENT) /* a location whose root has not arrived yet */
			r = 0;
		else if (r == 0)
			r = give(l, name.text, name.len, &attr, s.items[i].id);
	}
	return r;
}

static int list_entries(struct listing *l)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct fs_attr attr;
	struct entry entry;
	int r = entry_list(l->db, l->dir.id, l->after, false, &rows);

	while (r == 0) {
		r = entry_next(&rows, &entry);
		if (r != 0)
			return r < 0 ? r : 0;
		node_attr_of_entry(l->fs, &entry, &attr);
		r = give(l, entry.name, entry.name_len, &attr, entry.id);
	}
	return r;
}

static int list_collections(struct listing *l)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	struct fs_attr attr;
	struct name name;
	int r = collection_list(l->db, l->dir.collections, l->after, &rows);

	while (r == 0) {
		r = collection_next(&rows, &collection);
		if (r != 0)
			return r < 0 ? r : 0;
		r = names_of_collection(l->db, &collection, &name);
		if (r < 0)
			return r;
		node_attr_of_dir(l->fs, place_of_collection(collection.id, collection.life), dir_permissions(DIR_LINKS),
				 &attr);
		r = give(l, name.text, name.len, &attr, collection.id);
	}
	return r;
}

/* A link that leads nowhere is not listed: -ENOENT. */
static int give_link(struct listing *l, const struct pair *pair)
{
	struct fs_attr attr;
	struct name name;
	bool is_file;
	int r = link_attr(l->fs, l->db, l->plus ? &l->memo : NULL, pair, &attr, &is_file);

	if (r < 0)
		return r;
	if (!pair->clash)
		return give(l, pair->name, pair->name_len, &attr, pair->id);
	r = names_of_link(l->db, pair, is_file, &name);
	return r < 0 ? r : give(l, name.text, name.len, &attr, pair->id);
}

static int list_links(struct listing *l)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = pair_list(l->db, l->dir.id, l->after, &rows);

	while (r == 0) {
		r = pair_next(&rows, &pair);
		if (r != 0)
			return r < 0 ? r : 0;
		r = give_link(l, &pair);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static int (*const listers[DIR_KINDS])(struct listing *l) = {
	[DIR_ROOT] = list_root,       [DIR_DEVICES] = list_siblings,         [DIR_DEVICE] = list_siblings,
	[DIR_ENTRY] = list_entries,   [DIR_COLLECTIONS] = list_collections, [DIR_LINKS] = list_links,
};

int fs_list(struct fs *fs, uint64_t dir, uint64_t offset, bool plus, fs_fill_fn *fill, void *arg)
{
	_cleanup_(read_end) struct db *db = NULL;
	struct listing l = { .fs = fs, .fill = fill, .arg = arg, .plus = plus };
	int r = read_begin(fs, &db);

	if (r == 0)
		r = dir_get(db, dir, &l.dir);
	if (r < 0)
		return r;
	l.db = db;
	l.after = offset > OFFSET_PARENT ? (int64_t)(offset - OFFSET_PARENT) : 0;
	r = give_dots(&l, offset);
	if (r == 0)
		r = listers[l.dir.kind](&l);
	return r < 0 ? r : 0;
}
