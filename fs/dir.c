#include "fs/dir.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "store/device.h"
#include "store/entry.h"
#include "store/location.h"
#include "store/place.h"

static const struct dir_fixed fixed[] = {
	{ OBJECT_DEVICES, "devices", DIR_DEVICES, 0 },
	{ OBJECT_TAGS, "tags", DIR_COLLECTIONS, COLLECTION_TAG },
	{ OBJECT_ALBUMS, "albums", DIR_COLLECTIONS, COLLECTION_ALBUM },
	{ OBJECT_FAVORITES, "favorites", DIR_LINKS, COLLECTION_FAVORITES },
};

const struct dir_fixed *dir_fixed_at(size_t i)
{
	return i < sizeof(fixed) / sizeof(fixed[0]) ? &fixed[i] : NULL;
}

const struct dir_fixed *dir_fixed_of(uint64_t ino)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].ino == ino)
			return &fixed[i];
	return NULL;
}

uint32_t dir_permissions(enum dir_kind kind)
{
	/* Writable where the owner may make tags and links; `default_permissions` refuses the rest before it gets here. */
	return kind == DIR_COLLECTIONS || kind == DIR_LINKS ? 0755 : 0555;
}

static int fixed_kind(uint64_t ino, enum dir_kind *ret_kind)
{
	const struct dir_fixed *known = dir_fixed_of(ino);

	if (ino != OBJECT_ROOT && !known)
		return -ENOENT;
	*ret_kind = known ? known->kind : DIR_ROOT;
	return 0;
}

int dir_kind_of(uint64_t ino, enum dir_kind *ret_kind)
{
	switch (object_kind(ino)) {
	case OBJECT_FIXED:
		return fixed_kind(ino, ret_kind);
	case OBJECT_DEVICE:
		*ret_kind = DIR_DEVICE;
		return 0;
	case OBJECT_ENTRY:
		*ret_kind = DIR_ENTRY;
		return 0;
	case OBJECT_COLLECTION:
		*ret_kind = DIR_LINKS;
		return 0;
	case OBJECT_PAIR:
		return -ENOTDIR;
	}
	return -ENOENT;
}

static void get_fixed(struct dir *dir)
{
	const struct dir_fixed *known = dir_fixed_of(dir->ino);

	dir->parent = OBJECT_ROOT;
	dir->id = dir->kind == DIR_LINKS ? COLLECTION_FAVORITES_ID : 0;
	if (known)
		dir->collections = known->collections;
}

static int get_device(struct db *db, struct dir *dir)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_get(db, dir->id, &device, &rows);

	dir->parent = OBJECT_DEVICES;
	return r < 0 ? r : device.member ? 0 : -ENOENT;
}

static int get_entry(struct db *db, struct dir *dir)
{
	_cleanup_(rows_release) struct rows entry_rows = ROWS_INIT, location_rows = ROWS_INIT;
	struct entry entry;
	struct location location;
	int r = entry_get(db, dir->id, &entry, &entry_rows);

	if (r < 0)
		return r;
	if (entry.deleted)
		return -ENOENT;
	if (!S_ISDIR(entry.mode))
		return -ENOTDIR;
	r = location_get(db, entry.location, &location, &location_rows);
	if (r < 0)
		return r;
	dir->parent = entry.parent ? object(OBJECT_ENTRY, entry.parent) : object(OBJECT_DEVICE, location.device);
	return 0;
}

int dir_collection(struct db *db, uint64_t ino, struct collection *ret_collection, struct rows *ret_rows)
{
	int r = collection_get(db, object_id(ino), ret_collection, ret_rows);

	if (r < 0)
		return r;
	return ret_collection->shown && place_of_collection(ret_collection->id, ret_collection->life) == ino ? 0 : -ENOENT;
}

static int get_collection(struct db *db, struct dir *dir)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	int r = dir_collection(db, dir->ino, &collection, &rows);

	if (r < 0)
		return r;
	dir->collections = collection.kind;
	dir->parent = place_of_kind(collection.kind);
	return 0;
}

int dir_get(struct db *db, uint64_t ino, struct dir *ret_dir)
{
	struct dir dir = { .ino = ino, .id = object_id(ino) };
	int r = dir_kind_of(ino, &dir.kind);

	if (r < 0)
		return r;
	switch (object_kind(ino)) {
	case OBJECT_DEVICE:
		r = get_device(db, &dir);
		break;
	case OBJECT_ENTRY:
		r = get_entry(db, &dir);
		break;
	case OBJECT_COLLECTION:
		r = get_collection(db, &dir);
		break;
	default:
		get_fixed(&dir);
		break;
	}
	if (r < 0)
		return r;
	*ret_dir = dir;
	return 0;
}
