#include "fs/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "fs/cached_opens.h"
#include "fs/dir.h"
#include "fs/link.h"
#include "fs/names.h"
#include "fs/node.h"
#include "fs/resolve.h"
#include "store/device.h"
#include "store/location.h"
#include "store/pair.h"

/* --- the tree itself --- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void fs_freep(struct fs **fs)
{
	fs_free(*fs);
}

int fs_new(struct store *store, const struct fs_opts *opts, struct fs **ret_fs)
{
	_cleanup_(fs_freep) struct fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs)
		return -ENOMEM;
	r = pthread_mutex_init(&fs->lock, NULL);
	if (r != 0) {
		free(TAKE_PTR(fs));
		return -r;
	}
	fs->store = store;
	fs->uid = opts->uid;
	fs->gid = opts->gid;
	fs->stale = opts->stale;
	fs->stale_arg = opts->arg;
	fs->born_ns = now_ns();
	r = cached_opens_new(&fs->cached_opens);
	if (r == 0 && opts->mountpoint)
		r = resolve_normal(opts->mountpoint, &fs->mountpoint);
	if (r < 0)
		return r;
	*ret_fs = TAKE_PTR(fs);
	return 0;
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	cached_opens_free(fs->cached_opens);
	free(fs->mountpoint);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
}

int read_begin(struct fs *fs, struct db **ret_db)
{
	struct db *db = NULL;
	int r = store_reader(fs->store, &db);

	if (r == 0)
		r = db_begin(db);
	if (r < 0)
		return r;
	*ret_db = db;
	return 0;
}

void read_end(struct db **db)
{
	if (*db)
		db_end(*db);
}

void node_stale(struct fs *fs, int64_t entry)
{
	if (fs->stale)
		fs->stale(fs->stale_arg, entry);
}

/* --- attributes --- */

void node_attr_of_dir(struct fs *fs, uint64_t ino, uint32_t permissions, struct fs_attr *ret_attr)
{
	*ret_attr = (struct fs_attr){
		.ino = ino,
		.mode = S_IFDIR | permissions,
		.nlink = 2,
		.mtime_ns = fs->born_ns,
		.uid = fs->uid,
		.gid = fs->gid,
	};
}

void node_attr_of_entry(struct fs *fs, const struct entry *entry, struct fs_attr *ret_attr)
{
	*ret_attr = (struct fs_attr){
		.ino = object(OBJECT_ENTRY, entry->id),
		.mode = entry->mode,
		.nlink = S_ISDIR(entry->mode) ? 2 : 1,
		.size = entry->size,
		.blocks = entry->local ? entry->size / 512 + (entry->size % 512 > 0) : 0,
		.mtime_ns = entry->mtime_ns,
		.uid = fs->uid,
		.gid = fs->gid,
	};
}

static bool location_stands(struct db *db, int64_t location, int *ret_error)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location l;

	*ret_error = location_get(db, location, &l, &rows);
	return *ret_error == 0;
}

/* The attributes of an entry that was found; those below a location that is gone are gone with it. */
static int attr_of_found(struct fs *fs, struct db *db, const struct entry *entry, struct fs_attr *ret_attr)
{
	int r;

	if (entry->deleted || (entry->mode & S_IFMT) == 0) /* a stub has no type */
		return -ENOENT;
	if (!location_stands(db, entry->location, &r))
		return r;
	node_attr_of_entry(fs, entry, ret_attr);
	return 0;
}

static int attr_of_entry(struct fs *fs, struct db *db, int64_t id, struct fs_attr *ret_attr)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, id, &entry, &rows);

	return r < 0 ? r : attr_of_found(fs, db, &entry, ret_attr);
}

static int attr_of_pair(struct fs *fs, struct db *db, int64_t id, struct fs_attr *ret_attr)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct link_memo memo = { 0 };
	struct pair pair;
	bool is_file;
	int r = pair_get(db, id, &pair, &rows);

	return r < 0 ? r : link_attr(fs, db, &memo, &pair, ret_attr, &is_file);
}

int node_attr(struct fs *fs, struct db *db, uint64_t ino, struct fs_attr *ret_attr)
{
	struct dir dir;
	int r;

	switch (object_kind(ino)) {
	case OBJECT_ENTRY:
		return attr_of_entry(fs, db, object_id(ino), ret_attr);
	case OBJECT_PAIR:
		return attr_of_pair(fs, db, object_id(ino), ret_attr);
	default:
		r = dir_get(db, ino, &dir);
		if (r < 0)
			return r;
		node_attr_of_dir(fs, ino, dir_permissions(dir.kind), ret_attr);
		return 0;
	}
}

/* --- looking up --- */

/* By far the most frequent: one row says all. */
static int lookup_entry(struct fs *fs, struct db *db, int64_t parent, const char *name, struct fs_attr *ret_attr)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	size_t len = strlen(name);
	int r;

	if (len > TEXT_NAME_MAX)
		return -ENAMETOOLONG;
	if (!text_is_filename(name, len))
		return -ENOENT;
	r = entry_child(db, parent, name, len, &entry, &rows);
	return r < 0 ? r : attr_of_found(fs, db, &entry, ret_attr);
}

int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret_attr)
{
	_cleanup_(read_end) struct db *db = NULL;
	struct dir dir;
	uint64_t ino = 0;
	int r = read_begin(fs, &db);

	if (r < 0)
		return r;
	if (object_kind(parent) == OBJECT_ENTRY)
		return lookup_entry(fs, db, object_id(parent), name, ret_attr);
	r = dir_get(db, parent, &dir);
	if (r == 0)
		r = names_find(db, &dir, name, strlen(name), &ino);
	return r < 0 ? r : node_attr(fs, db, ino, ret_attr);
}

int fs_is_litter(struct fs *fs, uint64_t parent, const char *name)
{
	enum dir_kind kind;

	if (dir_kind_of(parent, &kind) < 0 || kind == DIR_ENTRY || kind == DIR_DEVICE)
		return 0;
	return text_is_desktop_litter(name, strlen(name));
}

int fs_getattr(struct fs *fs, uint64_t ino, struct fs_attr *ret_attr)
{
	_cleanup_(read_end) struct db *db = NULL;
	int r;

	/* The kernel asks before each link that is made. */
	if (object_kind(ino) == OBJECT_COLLECTION) {
		node_attr_of_dir(fs, ino, dir_permissions(DIR_LINKS), ret_attr);
		return 0;
	}
	r = read_begin(fs, &db);
	return r < 0 ? r : node_attr(fs, db, ino, ret_attr);
}

int fs_refuse(struct fs *fs, uint64_t ino)
{
	enum dir_kind kind;

	if (dir_kind_of(ino, &kind) < 0)
		return -EPERM;
	return kind == DIR_DEVICES || kind == DIR_DEVICE || kind == DIR_ENTRY ? -EROFS : -EPERM;
}

/* --- statfs --- */

enum {
	STAT_BLOCK = 4096,         /* bytes */
	STAT_FREE_BLOCKS = 262144, /* 1 GiB */
	STAT_ROW_BYTES = 240,      /* of the database, for each entry (design: at most) */
	STAT_FREE_FILES = 1048576,
	STAT_FRESH_MS = 1000,
};

/* What can be written here are tags and links, so there is no figure for "free" that means much; these keep programs that
 * ask before they write from giving up. Used is what the catalogue takes; files are an estimate, as counting them would
 * read every row. */
static int fill_stat(struct fs *fs, struct statvfs *ret_stat)
{
	struct store_stats stats;
	int r = store_stats(fs->store, &stats);
	uint64_t bytes;

	if (r < 0)
		return r;
	bytes = stats.database_bytes + stats.wal_bytes;
	*ret_stat = (struct statvfs){
		.f_bsize = STAT_BLOCK,
		.f_frsize = STAT_BLOCK,
		.f_blocks = bytes / STAT_BLOCK + 1 + STAT_FREE_BLOCKS,
		.f_bfree = STAT_FREE_BLOCKS,
		.f_bavail = STAT_FREE_BLOCKS,
		.f_files = stats.database_bytes / STAT_ROW_BYTES + STAT_FREE_FILES,
		.f_ffree = STAT_FREE_FILES,
		.f_favail = STAT_FREE_FILES,
		.f_namemax = TEXT_NAME_MAX,
	};
	return 0;
}

int fs_statfs(struct fs *fs, struct statvfs *ret_stat)
{
	uint64_t now = clock_monotonic_ms();
	struct statvfs stat;
	int r = -ENODATA;

	pthread_mutex_lock(&fs->lock);
	if (fs->stat_ms != 0 && now - fs->stat_ms < STAT_FRESH_MS) {
		stat = fs->stat;
		r = 0;
	}
	pthread_mutex_unlock(&fs->lock);
	if (r < 0) {
		r = fill_stat(fs, &stat);
		if (r < 0)
			return r;
		pthread_mutex_lock(&fs->lock);
		fs->stat = stat;
		fs->stat_ms = now > 0 ? now : 1;
		pthread_mutex_unlock(&fs->lock);
	}
	*ret_stat = stat;
	return 0;
}
