/* The path of a location's root was free of symlinks when it was added. Still, anybody who may write to a folder above it
 * can put another there, and disks come and go at one path: so each open compares the root with the identity that was
 * stored when it was last seen, and goes beneath that directory only.
 *
 * The root is opened anew each time: that costs a few microseconds. A descriptor that is kept would make a disk busy,
 * which its user wants to unmount. */
#include "fs/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/object.h"

#define RETRIES 16 /* of an open that met a rename */

static int copy_location(struct db *db, int64_t id, struct local *local)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_get(db, id, &location, &rows);

	if (r < 0)
		return r;
	local->identity = location.identity;
	local->root = strdup(location.path);
	return local->root ? 0 : -ENOMEM;
}

static int copy_path(struct db *db, int64_t entry, struct local *local)
{
	_cleanup_(buf_release) struct buf path = BUF_INIT;
	int r = entry_path(db, entry, &path);

	if (r < 0)
		return r;
	local->path = buf_take_str(&path);
	return local->path ? 0 : -ENOMEM;
}

static int copy_row(struct db *db, int64_t id, struct local *local, int64_t *ret_location)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct entry entry;
	int r = entry_get(db, id, &entry, &rows);

	if (r < 0)
		return r;
	if (entry.deleted)
		return -ENOENT;
	local->is_ours = entry.local;
	local->mode = entry.mode;
	local->size = entry.size;
	local->mtime_ns = entry.mtime_ns;
	local->ino = entry.ino;
	*ret_location = entry.location;
	return 0;
}

int local_get(struct fs *fs, int64_t entry, struct local *ret_local)
{
	_cleanup_(local_release) struct local local = { 0 };
	_cleanup_(read_end) struct db *db = NULL;
	int64_t location = 0;
	int r = read_begin(fs, &db);

	if (r == 0)
		r = copy_row(db, entry, &local, &location);
	if (r == 0 && local.is_ours)
		r = copy_location(db, location, &local);
	if (r == 0 && local.is_ours)
		r = copy_path(db, entry, &local);
	if (r < 0)
		return r;
	*ret_local = local;
	local = (struct local){ 0 };
	return 0;
}

void local_release(struct local *local)
{
	free(local->root);
	free(local->path);
}

/* --- opening --- */

int64_t local_ns(int64_t seconds, int64_t nanoseconds)
{
	int64_t ns;

	if (__builtin_mul_overflow(seconds, INT64_C(1000000000), &ns) || __builtin_add_overflow(ns, nanoseconds, &ns))
		return seconds < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

/* By inode and birth time where both have one, else by inode and filesystem (the rule of index/root.h). */
static bool root_is_same(int fd, const struct location_identity *identity)
{
	struct statx stx;
	struct statfs fs;
	uint64_t fsid = 0;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &stx) < 0 || stx.stx_ino != identity->ino)
		return false;
	if ((stx.stx_mask & STATX_BTIME) && identity->btime_ns != 0)
		return local_ns(stx.stx_btime.tv_sec, stx.stx_btime.tv_nsec) == identity->btime_ns;
	if (fstatfs(fd, &fs) < 0)
		return false;
	memcpy(&fsid, &fs.f_fsid, sizeof(fsid));
	return fsid == identity->fsid;
}
_Static_assert(sizeof(((struct statfs *)0)->f_fsid) == sizeof(uint64_t), "an identity holds all of it");

static int open_root(const struct local *local, int *ret_fd)
{
	_cleanup_(close_fd) int fd = open(local->root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return -errno;
	if (fd < 0 || !root_is_same(fd, &local->identity))
		return -EIO;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* One openat2; `path` is shorter than PATH_MAX. */
static int open_beneath(int dir, const char *path, int flags, int *ret_fd)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = -1;

	for (int i = 0; i < RETRIES; i++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (fd < 0) /* a symlink, a file or a mount where a directory was: that file is not there any more */
		return errno == ELOOP || errno == EXDEV || errno == ENOTDIR ? -ENOENT : -errno;
	*ret_fd = (int)fd;
	return 0;
}

/* Cuts the first part off a path that is too long for one call, at a '/': its length, or 0 when it is short enough. */
static size_t first_part(const char *path, size_t len)
{
	size_t at = PATH_MAX - 1;

	if (len < PATH_MAX)
		return 0;
	while (at > 0 && path[at] != '/')
		at--;
	return at;
}

/* `path` of `len` bytes beneath the root of the location; "" is the root. */
static int open_path(const struct local *local, const char *path, size_t len, int flags, int *ret_fd)
{
	_cleanup_(close_fd) int dir = -1;
	char part[PATH_MAX];
	size_t n;
	int r = open_root(local, &dir);

	while (r == 0 && (n = first_part(path, len)) > 0) {
		int next = -1;
		memcpy(part, path, n);
		part[n] = '\0';
		r = open_beneath(dir, part, O_PATH | O_DIRECTORY, &next);
		if (r == 0) {
			close(dir);
			dir = next;
			path += n + 1;
			len -= n + 1;
		}
	}
	if (r < 0)
		return r;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(part, len > 0 ? path : ".", len > 0 ? len : 1);
	part[len > 0 ? len : 1] = '\0';
	return open_beneath(dir, part, flags, ret_fd);
}

int local_open(const struct local *local, int flags, int *ret_fd)
{
	return open_path(local, local->path, strlen(local->path), flags, ret_fd);
}

int local_open_parent(const struct local *local, int *ret_fd, const char **ret_name)
{
	const char *slash = strrchr(local->path, '/');
	size_t len = slash ? (size_t)(slash - local->path) : 0;

	*ret_name = slash ? slash + 1 : local->path;
	return open_path(local, local->path, len, O_PATH | O_DIRECTORY, ret_fd);
}
