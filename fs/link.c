/* The text of a link is "../../" and the path of its entry below the root. A link's size must be the length of that text
 * (programs allocate by it), so each listed link needs the length of a path; the memo keeps that of its directory. */
#include "fs/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fs/local.h"
#include "fs/path.h"
#include "store/collection.h"
#include "store/object.h"

#define LINK_NAME_MAX 65536 /* bytes of a target; Linux allows 4095 */

/* From the directory of the link to the root: tags/<tag>/ and albums/<album>/, or favorites/. */
static const char *way_up(const struct pair *pair)
{
	return pair->collection == COLLECTION_FAVORITES_ID ? "../" : "../../";
}

/* --- lengths and attributes --- */

static int location_len(struct db *db, struct link_memo *memo, int64_t location, size_t *ret_len)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	int r = 0;

	if (memo->location != location) {
		r = path_of_location(db, location, &path);
		if (r < 0)
			return r;
		memo->location = location;
		memo->location_len = path.len;
	}
	*ret_len = memo->location_len;
	return 0;
}

static int dir_len(struct db *db, struct link_memo *memo, int64_t dir, size_t *ret_len)
{
	size_t slot = (size_t)((uint64_t)dir % LINK_MEMO_DIRS);
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	int r = 0;

	if (memo->dirs[slot].dir != dir) {
		r = entry_path(db, dir, &path);
		if (r < 0)
			return r;
		memo->dirs[slot].dir = dir;
		memo->dirs[slot].len = path.len;
	}
	*ret_len = memo->dirs[slot].len;
	return 0;
}

/* What a link needs to know of its entry, without borrowed text. */
struct target {
	int64_t location, parent, mtime_ns;
	size_t name_len;
	bool is_file;
};

/* The length of what path_of_entry would append for it. */
static int path_len(struct db *db, struct link_memo *memo, const struct target *target, size_t *ret_len)
{
	size_t len = 0, dir = 0;
	int r = location_len(db, memo, target->location, &len);

	if (r == 0 && target->parent != 0)
		r = dir_len(db, memo, target->parent, &dir);
	if (r < 0)
		return r;
	if (target->parent != 0)
		len += 1 + dir + (dir > 0) + target->name_len;
	*ret_len = len;
	return 0;
}

static int read_target(struct db *db, const struct pair *pair, struct target *ret_target)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int64_t id = 0;
	int r = pair->live ? pair_target(db, pair, &id) : -ENOENT;

	if (r == 0)
		r = entry_get(db, id, &entry, &rows);
	if (r < 0)
		return r;
	*ret_target = (struct target){
		.location = entry.location,
		.parent = entry.parent,
		.mtime_ns = entry.mtime_ns,
		.name_len = entry.name_len,
		.is_file = !S_ISDIR(entry.mode),
	};
	return 0;
}

struct fs_attr link_attr_partial(const struct fs *fs, int64_t pair)
{
	return (struct fs_attr){
		.ino = object(OBJECT_PAIR, pair),
		.mode = S_IFLNK | 0777,
		.nlink = 1,
		.uid = fs->uid,
		.gid = fs->gid,
		.partial = true,
	};
}

int link_attr(struct fs *fs, struct db *db, struct link_memo *memo, const struct pair *pair, struct fs_attr *ret_attr,
	      bool *ret_is_file)
{
	struct target target;
	size_t len = 0;
	int r = read_target(db, pair, &target);

	if (r == 0 && memo)
		r = path_len(db, memo, &target, &len);
	if (r < 0)
		return r;
	*ret_attr = link_attr_partial(fs, pair->id);
	if (memo) {
		ret_attr->size = strlen(way_up(pair)) + len;
		ret_attr->mtime_ns = target.mtime_ns;
		ret_attr->partial = false;
	}
	*ret_is_file = target.is_file;
	return 0;
}

/* --- targets --- */

static int read_link(struct fs *fs, int64_t id, struct buf *ret_target)
{
	_cleanup_(read_end) struct db *db = NULL;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct pair pair;
	int r = read_begin(fs, &db);

	if (r == 0)
		r = pair_get(db, id, &pair, &rows);
	if (r == 0)
		r = buf_append_str(ret_target, way_up(&pair));
	return r < 0 ? r : path_of_target(db, &pair, ret_target);
}

/* Whether a target that stands in a directory `depth` levels below its location never leaves it, by its text alone. */
static bool stays_inside(const char *target, size_t depth)
{
	if (*target == '/' || *target == '\0')
		return false;
	while (*target != '\0') {
		size_t len = strcspn(target, "/");
		if (len == 2 && memcmp(target, "..", 2) == 0) {
			if (depth-- == 0)
				return false;
		} else if (len > 0 && !(len == 1 && *target == '.')) {
			depth++;
		}
		target += len;
		target += *target == '/';
	}
	return true;
}

static size_t depth_of(const char *path)
{
	size_t depth = 0;

	for (; *path != '\0'; path++)
		depth += *path == '/';
	return depth;
}

/* A symlink below a location of this device: the real one is read. */
static int read_real_link(struct fs *fs, int64_t entry, struct buf *ret_target)
{
	_cleanup_(local_release) struct local local = { 0 };
	_cleanup_(close_fd) int dir = -1;
	_cleanup_(free_ptr) char *target = NULL;
	const char *name;
	ssize_t n;
	int r = local_get(fs, entry, &local);

	if (r == 0 && !S_ISLNK(local.mode))
		r = -EINVAL;
	if (r == 0 && !local.is_ours)
		r = -EREMOTE;
	if (r == 0)
		r = local_open_parent(&local, &dir, &name);
	if (r < 0)
		return r;
	target = malloc(LINK_NAME_MAX);
	if (!target)
		return -ENOMEM;
	n = readlinkat(dir, name, target, LINK_NAME_MAX - 1);
	if (n < 0) {
		node_stale(fs, entry);
		return errno == EINVAL ? -ENOENT : -errno; /* no symlink any more */
	}
	target[n] = '\0';
	return stays_inside(target, depth_of(local.path)) ? buf_append(ret_target, target, (size_t)n) : -EPERM;
}

int fs_readlink(struct fs *fs, uint64_t ino, struct buf *ret_target)
{
	switch (object_kind(ino)) {
	case OBJECT_PAIR:
		return read_link(fs, object_id(ino), ret_target);
	case OBJECT_ENTRY:
		return read_real_link(fs, object_id(ino), ret_target);
	default:
		return -EINVAL;
	}
}
