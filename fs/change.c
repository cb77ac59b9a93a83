/* What may be changed through the mount: tags and albums are made, renamed and deleted, links are added, renamed, moved
 * and removed. Content and everything below devices/ is never touched.
 *
 * The table of design section 2 is the two tables here. What a call decides by, it reads inside its write transaction;
 * only the kinds of the directories, which never change, are looked at before. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "fs/dir.h"
#include "fs/link.h"
#include "fs/names.h"
#include "fs/node.h"
#include "fs/path.h"
#include "fs/resolve.h"
#include "store/collection.h"
#include "store/object.h"
#include "store/pair.h"

/* What a call answers in a kind of directory; 0 = it is carried out. */
struct verdict {
	int mkdir, symlink, unlink, rmdir;
};

static const struct verdict verdicts[DIR_KINDS] = {
	[DIR_ROOT] =        { .mkdir = -EPERM, .symlink = -EPERM, .unlink = -EPERM,  .rmdir = -EPERM },
	[DIR_DEVICES] =     { .mkdir = -EROFS, .symlink = -EROFS, .unlink = -EROFS,  .rmdir = -EROFS },
	[DIR_DEVICE] =      { .mkdir = -EROFS, .symlink = -EROFS, .unlink = -EROFS,  .rmdir = -EROFS },
	[DIR_ENTRY] =       { .mkdir = -EROFS, .symlink = -EROFS, .unlink = -EROFS,  .rmdir = -EROFS },
	[DIR_COLLECTIONS] = { .mkdir = 0,      .symlink = -EPERM, .unlink = -EISDIR, .rmdir = 0 },
	[DIR_LINKS] =       { .mkdir = -EPERM, .symlink = 0,      .unlink = 0,       .rmdir = -ENOTDIR },
};

static const struct verdict *verdict_on(uint64_t parent)
{
	static const struct verdict absent = { -ENOENT, -ENOENT, -ENOENT, -ENOENT };
	static const struct verdict link = { -ENOTDIR, -ENOTDIR, -ENOTDIR, -ENOTDIR };
	enum dir_kind kind;
	int r = dir_kind_of(parent, &kind);

	return r == 0 ? &verdicts[kind] : r == -ENOTDIR ? &link : &absent;
}

/* Names of new links. */
static int check_link_name(const char *name)
{
	size_t len = strlen(name);

	if (len > TEXT_NAME_MAX)
		return -ENAMETOOLONG;
	if (!text_is_filename(name, len))
		return -EINVAL;
	return text_is_desktop_litter(name, len) ? -EPERM : 0;
}

/* Names of new tags and albums. */
static int check_title(const char *name)
{
	int r = check_link_name(name);

	return r == 0 && !text_is_title(name, strlen(name)) ? -EINVAL : r;
}

/* What the kernel asked for it knows, and is not told. Not so of a link that goes or gets another name: it may have had the
 * name that the kernel used for a moment only, since a namesake vanished, and be known by the one with a suffix still. */
static int write_and_tell(struct fs *fs, int (*fn)(struct txn *txn, void *arg), void *arg)
{
	const struct store_write_opts opts = { .priority = STORE_INTERACTIVE };

	return store_write(fs->store, &opts, fn, arg);
}

static int write_through(struct fs *fs, int (*fn)(struct txn *txn, void *arg), void *arg)
{
	const struct store_write_opts opts = { .priority = STORE_INTERACTIVE, .kernel_knows = true };

	return store_write(fs->store, &opts, fn, arg);
}

/* A directory and a name in it, as a call gives them. */
struct spot {
	uint64_t parent;
	const char *name;
};

/* The spot's directory, and the row of what its name stands for. Errors: -ENOENT. */
static int find_spot(struct db *db, const struct spot *spot, struct dir *ret_dir, int64_t *ret_id)
{
	uint64_t ino = 0;
	int r = dir_get(db, spot->parent, ret_dir);

	if (r == 0)
		r = names_find(db, ret_dir, spot->name, strlen(spot->name), &ino);
	if (r < 0)
		return r;
	*ret_id = object_id(ino);
	return 0;
}

/* 0: the directory is there and the name is free. Errors: -EEXIST. */
static int find_room(struct db *db, const struct spot *spot, struct dir *ret_dir)
{
	uint64_t ino;
	int r = dir_get(db, spot->parent, ret_dir);

	if (r == 0)
		r = names_find(db, ret_dir, spot->name, strlen(spot->name), &ino);
	return r == 0 ? -EEXIST : r == -ENOENT ? 0 : r;
}

/* What a call answers that is refused for what is there: nothing may be there. */
static int refuse_present(struct fs *fs, const struct spot *spot, int verdict)
{
	_cleanup_(read_end) struct db *db = NULL;
	struct dir dir;
	int64_t id;
	int r = read_begin(fs, &db);

	if (r == 0)
		r = find_spot(db, spot, &dir, &id);
	return r < 0 ? r : verdict;
}

/* --- making --- */

struct making {
	struct fs *fs;
	struct spot spot;
	const char *text;          /* of a symlink ... */
	struct destination target; /* ... and where it leads; owned */
	struct fs_attr attr;       /* of what was made */
};

static int make_collection(struct txn *txn, void *arg)
{
	struct making *m = arg;
	struct dir dir;
	size_t len = strlen(m->spot.name);
	uint64_t ino = 0;
	int64_t id;
	int r = find_room(txn_db(txn), &m->spot, &dir);

	if (r == 0)
		r = collection_create(txn, dir.collections, m->spot.name, len, &id);
	if (r == 0)
		r = names_find(txn_db(txn), &dir, m->spot.name, len, &ino);
	return r < 0 ? r : node_attr(m->fs, txn_db(txn), ino, &m->attr);
}

int fs_mkdir(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret_attr)
{
	struct making m = { .fs = fs, .spot = { parent, name } };
	int r = verdict_on(parent)->mkdir;

	if (r == 0)
		r = check_title(name);
	if (r == 0)
		r = write_through(fs, make_collection, &m);
	if (r < 0)
		return r;
	*ret_attr = m.attr;
	return 0;
}

/* Where the text of the symlink leads, as seen from the directory that it is made in. */
static int read_target(struct txn *txn, struct making *m, const struct dir *dir)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	int r;

	/* A text that begins by leaving the directory never asks for its name, which would have to be looked up. */
	if (strncmp(m->text, "../", 3) == 0 && dir->kind == DIR_LINKS && dir->collections != COLLECTION_FAVORITES)
		r = buf_append_str(&path, dir->collections == COLLECTION_TAG ? "tags/-" : "albums/-");
	else
		r = path_of(txn_db(txn), m->spot.parent, &path);
	if (r == 0)
		r = buf_append(&path, "", 1);
	return r < 0 ? r : resolve_text(m->fs, (const char *)path.data, m->text, &m->target);
}

static int make_link(struct txn *txn, void *arg)
{
	struct making *m = arg;
	struct dir dir;
	uint64_t target = 0;
	int64_t id = 0;
	int r = find_room(txn_db(txn), &m->spot, &dir);

	if (r == 0)
		r = read_target(txn, m, &dir);
	if (r == 0)
		r = resolve_find(m->fs, txn_db(txn), &m->target, true, &target);
	if (r == 0 && object_kind(target) != OBJECT_ENTRY)
		r = -ENOENT;
	if (r == 0)
		r = pair_add(txn, dir.id, object_id(target), m->spot.name, strlen(m->spot.name), &id);
	if (r == 0)
		m->attr = link_attr_partial(m->fs, id);
	return r;
}

static void making_release(struct making *m)
{
	destination_release(&m->target);
}

int fs_symlink(struct fs *fs, uint64_t parent, const char *name, const char *target, struct fs_attr *ret_attr)
{
	_cleanup_(making_release) struct making m = { .fs = fs, .spot = { parent, name }, .text = target };
	int r = verdict_on(parent)->symlink;

	if (r == 0)
		r = check_link_name(name);
	if (r == 0)
		r = write_through(fs, make_link, &m);
	if (r < 0)
		return r;
	*ret_attr = m.attr;
	return 0;
}

static int dir_path(struct fs *fs, uint64_t dir, struct buf *ret_path)
{
	_cleanup_(read_end) struct db *db = NULL;
	int r = read_begin(fs, &db);

	if (r == 0)
		r = path_of(db, dir, ret_path);
	return r < 0 ? r : buf_append(ret_path, "", 1);
}

int fs_real_target(struct fs *fs, uint64_t parent, const char *target, char **ret_real)
{
	_cleanup_(destination_release) struct destination d = { 0 };
	_cleanup_(buf_release) struct buf dir = BUF_INIT;
	int r = dir_path(fs, parent, &dir);

	if (r == 0)
		r = resolve_text(fs, (const char *)dir.data, target, &d);
	if (r == 0)
		r = resolve_real(fs, &d);
	if (r < 0)
		return r;
	return asprintf(ret_real, "%s%s", d.in_mount ? fs->mountpoint : "", d.path) < 0 ? -ENOMEM : 0;
}

/* --- removing --- */

static int remove_collection(struct txn *txn, void *arg)
{
	const struct spot *spot = arg;
	struct dir dir;
	int64_t id = 0;
	int r = find_spot(txn_db(txn), spot, &dir, &id);

	return r < 0 ? r : collection_remove(txn, id);
}

int fs_rmdir(struct fs *fs, uint64_t parent, const char *name)
{
	struct spot spot = { parent, name };
	int r = verdict_on(parent)->rmdir;

	if (r == -ENOTDIR)
		return refuse_present(fs, &spot, r);
	return r < 0 ? r : write_through(fs, remove_collection, &spot);
}

static int remove_link(struct txn *txn, void *arg)
{
	const struct spot *spot = arg;
	struct dir dir;
	int64_t id = 0;
	int r = find_spot(txn_db(txn), spot, &dir, &id);

	return r < 0 ? r : pair_remove(txn, id);
}

int fs_unlink(struct fs *fs, uint64_t parent, const char *name)
{
	struct spot spot = { parent, name };
	int r = verdict_on(parent)->unlink;

	if (r == -EISDIR)
		return refuse_present(fs, &spot, r);
	return r < 0 ? r : write_and_tell(fs, remove_link, &spot);
}

/* --- renaming --- */

struct renaming {
	struct spot from, to;
	bool no_replace;
};

static bool is_read_only(enum dir_kind kind)
{
	return verdicts[kind].mkdir == -EROFS;
}

/* Never -EXDEV: a tool would copy, then delete. */
static int rename_verdict(uint64_t from, uint64_t to)
{
	enum dir_kind from_kind, to_kind;
	int r = dir_kind_of(from, &from_kind);

	if (r == 0)
		r = dir_kind_of(to, &to_kind);
	if (r < 0)
		return r;
	if (from_kind == DIR_ROOT || to_kind == DIR_ROOT)
		return -EPERM;
	if (is_read_only(to_kind))
		return -EROFS;
	/* Also a tag to the albums, a tag into a tag, a link out of its tag. */
	if (is_read_only(from_kind) || from_kind != to_kind || (from_kind == DIR_COLLECTIONS && from != to))
		return -EPERM;
	return 0;
}

/* The kernel expects the new name to be taken over. That of a tag which is shown with a suffix is not the name that it
 * has: then it goes and the other is renamed, in one transaction. */
static int replace_collection(struct txn *txn, int64_t id, int64_t onto, const char *name)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection other;
	bool is_plain;
	int r = collection_get(txn_db(txn), onto, &other, &rows);

	if (r < 0)
		return r;
	is_plain = other.name_len == strlen(name) && memcmp(other.name, name, other.name_len) == 0;
	rows_release(&rows);
	if (is_plain)
		return collection_replace(txn, id, onto);
	r = collection_remove(txn, onto);
	return r < 0 ? r : collection_rename(txn, id, name, strlen(name));
}

static int rename_collection(struct txn *txn, void *arg)
{
	const struct renaming *a = arg;
	struct dir dir;
	int64_t id = 0, onto = 0;
	int r = find_spot(txn_db(txn), &a->from, &dir, &id);

	if (r < 0)
		return r;
	r = find_spot(txn_db(txn), &a->to, &dir, &onto);
	if (r == -ENOENT)
		return collection_rename(txn, id, a->to.name, strlen(a->to.name));
	if (r < 0)
		return r;
	if (a->no_replace)
		return -EEXIST;
	return id == onto ? 0 : replace_collection(txn, id, onto, a->to.name);
}

static int rename_link(struct txn *txn, void *arg)
{
	const struct renaming *a = arg;
	struct dir from, to;
	int64_t id = 0, onto = 0;
	int r = find_spot(txn_db(txn), &a->from, &from, &id);

	if (r == 0)
		r = dir_get(txn_db(txn), a->to.parent, &to);
	if (r < 0)
		return r;
	r = find_spot(txn_db(txn), &a->to, &to, &onto);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && a->no_replace)
		return -EEXIST;
	if (r == 0 && id == onto)
		return 0;
	if (from.id == to.id)
		return pair_rename(txn, id, a->to.name, strlen(a->to.name), onto);
	return pair_move(txn, id, to.id, a->to.name, strlen(a->to.name), onto);
}

int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
	      unsigned flags)
{
	struct renaming a = {
		.from = { parent, name },
		.to = { new_parent, new_name },
		.no_replace = flags & RENAME_NOREPLACE,
	};
	enum dir_kind kind = DIR_ROOT;
	int r;

	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return -EINVAL;
	r = rename_verdict(parent, new_parent);
	if (r == 0)
		r = dir_kind_of(parent, &kind);
	if (r == 0)
		r = kind == DIR_COLLECTIONS ? check_title(new_name) : check_link_name(new_name);
	if (r < 0)
		return r;
	return kind == DIR_COLLECTIONS ? write_through(fs, rename_collection, &a) : write_and_tell(fs, rename_link, &a);
}
