#include "index/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"

#define PIECE_MAX 4000 /* bytes of a path that the kernel takes at once (PATH_MAX is 4096) */

static int open_piece(int dir, const char *path, int flags)
{
	struct open_how how = {
	    .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* How much of a long path goes into one piece: up to the last slash that fits. 0: a name is too long. */
static size_t piece_len(const char *path)
{
	size_t len = PIECE_MAX;

	while (len > 0 && path[len] != '/')
		len--;
	return len;
}

int beneath_open(int root, const char *path, int flags)
{
	_cleanup_(close_fd) int held = -1;
	int dir = root;

	while (strlen(path) > PIECE_MAX) {
		char piece[PIECE_MAX + 1] = "";
		size_t len = piece_len(path);
		int fd;

		if (len == 0)
			return -ENAMETOOLONG;
		memcpy(piece, path, len);
		fd = open_piece(dir, piece, O_PATH | O_DIRECTORY);
		if (fd < 0)
			return fd;
		close_fd(&held);
		held = dir = fd;
		path += len + 1;
	}
	return open_piece(dir, path, flags);
}

static int64_t nanoseconds(const struct statx_timestamp *t)
{
	int64_t ns;

	/* Years beyond 2262 do not fit; the greatest time stands for them. */
	if (__builtin_mul_overflow((int64_t)t->tv_sec, INT64_C(1000000000), &ns) ||
	    __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
		return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

int beneath_look(int dir, const char *name, uint64_t device, struct beneath_stat *ret_stat)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);
	struct statx st;

	if (statx(dir, name, flags, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return -errno;
	*ret_stat = (struct beneath_stat){
	    .device = makedev(st.stx_dev_major, st.stx_dev_minor),
	    .linked = st.stx_nlink > 1 && !S_ISDIR(st.stx_mode),
	    .attr =
		{
		    .mode = st.stx_mode,
		    .size = st.stx_size,
		    .mtime_ns = nanoseconds(&st.stx_mtime),
		    .ino = st.stx_ino,
		    .btime_ns = st.stx_mask & STATX_BTIME ? nanoseconds(&st.stx_btime) : 0,
		},
	};
	if (*name && ((st.stx_attributes & STATX_ATTR_MOUNT_ROOT) || (device != 0 && ret_stat->device != device))) {
		/* Inodes of another filesystem say nothing about identity here. */
		ret_stat->border = true;
		ret_stat->attr.ino = 0;
		ret_stat->attr.btime_ns = 0;
	}
	return 0;
}

static bool is_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ELOOP || error == -EXDEV;
}

int beneath_look_path(int root, const char *path, uint64_t device, struct beneath_stat *ret_stat,
		      bool *ret_parent_missing)
{
	_cleanup_(close_fd) int dir = -1;
	_cleanup_(free_ptr) char *parent = NULL;
	const char *slash = strrchr(path, '/');
	int r;

	if (ret_parent_missing)
		*ret_parent_missing = false;
	parent = strndup(path, slash ? (size_t)(slash - path) : 0);
	if (!parent)
		return -ENOMEM;
	dir = beneath_open(root, parent, O_PATH | O_DIRECTORY);
	if (dir < 0) {
		if (!is_absent(dir))
			return dir;
		if (ret_parent_missing)
			*ret_parent_missing = true;
		return -ENOENT;
	}
	r = beneath_look(dir, slash ? slash + 1 : path, device, ret_stat);
	return is_absent(r) ? -ENOENT : r;
}
