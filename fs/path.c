#include "fs/path.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fs/dir.h"
#include "fs/local.h"
#include "fs/names.h"
#include "store/entry.h"
#include "store/object.h"

int path_of_location(struct db *db, int64_t location, struct buf *ret_path)
{
	struct name name, device_name;
	int64_t device = 0;
	int r = names_of_location(db, location, &name, &device);

	if (r == 0)
		r = names_of_device(db, device, &device_name);
	if (r < 0)
		return r;
	buf_append_str(ret_path, "devices/");
	buf_append(ret_path, device_name.text, device_name.len);
	buf_append_str(ret_path, "/");
	return buf_append(ret_path, name.text, name.len);
}

static int append_site(struct db *db, const struct entry_site *site, const struct buf *below, struct buf *ret_path)
{
	int r = path_of_location(db, site->location, ret_path);

	if (r < 0 || below->len == 0) /* the root of the location */
		return r;
	buf_append_str(ret_path, "/");
	return buf_append(ret_path, below->data, below->len);
}

int path_of_entry(struct db *db, int64_t entry, struct buf *ret_path)
{
	_cleanup_(buf_release) struct buf below = BUF_INIT;
	struct entry_site site;
	int r = entry_live_path(db, entry, &site, &below);

	return r < 0 ? r : append_site(db, &site, &below, ret_path);
}

int path_of_target(struct db *db, const struct pair *pair, struct buf *ret_path)
{
	_cleanup_(buf_release) struct buf below = BUF_INIT;
	struct entry_site site;
	int64_t target = 0;
	int r = -ENOENT;

	if (!pair->live)
		return -ENOENT;
	/* Mostly it is a file of this device, for which nothing else can stand in: no need to look for copies. */
	if (pair->entry_id != 0)
		r = entry_live_path(db, pair->entry_id, &site, &below);
	if (r == 0 && site.local)
		return append_site(db, &site, &below, ret_path);
	if (r < 0 && r != -ENOENT && r != -ELOOP)
		return r;
	r = pair_target(db, pair, &target);
	return r < 0 ? r : path_of_entry(db, target, ret_path);
}

static int path_of_collection(struct db *db, uint64_t ino, struct buf *path)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	struct name name;
	int r = dir_collection(db, ino, &collection, &rows);

	if (r == 0)
		r = names_of_collection(db, &collection, &name);
	if (r < 0)
		return r;
	buf_append_str(path, collection.kind == COLLECTION_TAG ? "tags/" : "albums/");
	return buf_append(path, name.text, name.len);
}

static int path_of_device(struct db *db, int64_t id, struct buf *path)
{
	struct name name;
	int r = names_of_device(db, id, &name);

	if (r < 0)
		return r;
	buf_append_str(path, "devices/");
	return buf_append(path, name.text, name.len);
}

static int path_of_fixed(uint64_t ino, struct buf *path)
{
	const struct dir_fixed *fixed = dir_fixed_of(ino);

	if (!fixed && ino != OBJECT_ROOT)
		return -ENOENT;
	return buf_append_str(path, fixed ? fixed->name : "");
}

int path_of(struct db *db, uint64_t ino, struct buf *ret_path)
{
	switch (object_kind(ino)) {
	case OBJECT_FIXED:
		return path_of_fixed(ino, ret_path);
	case OBJECT_DEVICE:
		return path_of_device(db, object_id(ino), ret_path);
	case OBJECT_ENTRY:
		return path_of_entry(db, object_id(ino), ret_path);
	case OBJECT_COLLECTION:
		return path_of_collection(db, ino, ret_path);
	case OBJECT_PAIR:
		break;
	}
	return -ENOENT;
}

/* --- for commands --- */

int fs_path(struct fs *fs, uint64_t ino, struct buf *ret_path)
{
	_cleanup_(read_end) struct db *db = NULL;
	int r = read_begin(fs, &db);

	return r < 0 ? r : path_of(db, ino, ret_path);
}

int fs_real_path(struct fs *fs, int64_t entry, struct buf *ret_path)
{
	_cleanup_(local_release) struct local local = { 0 };
	int r = local_get(fs, entry, &local);

	if (r == 0 && !local.is_ours)
		r = -EREMOTE;
	if (r < 0)
		return r;
	buf_append_str(ret_path, local.root);
	if (*local.path && strcmp(local.root, "/") != 0)
		buf_append_str(ret_path, "/");
	return buf_append_str(ret_path, local.path);
}
