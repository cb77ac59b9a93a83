#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fs/cached_opens.h"
#include "fs/local.h"
#include "fs/tree.h"
#include "store/object.h"

static bool differs(const struct local *row, const struct stat *st)
{
	return (row->ino != 0 && row->ino != st->st_ino) || row->size != (uint64_t)st->st_size ||
	       row->mtime_ns != local_ns(st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* Whether the row may be opened at all. */
static int check_row(const struct local *row, int flags)
{
	if (S_ISDIR(row->mode))
		return -EISDIR;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		return -EROFS;
	if (!S_ISREG(row->mode))
		return -EPERM;
	return row->is_ours ? 0 : -EREMOTE;
}

/* The file that stands there now. It may have become a FIFO, which O_NONBLOCK keeps from blocking. */
static int open_regular(const struct local *row, int *ret_fd, struct stat *ret_stat)
{
	_cleanup_(close_fd) int fd = -1;
	int flags, r = local_open(row, O_RDONLY | O_NONBLOCK | O_NOCTTY, &fd);

	if (r < 0)
		return r;
	if (fstat(fd, ret_stat) < 0)
		return -errno;
	if (!S_ISREG(ret_stat->st_mode))
		return -ENOENT; /* what the row tells of is not there any more */
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int open_entry(struct fs *fs, uint64_t ino, const struct local *row, struct open_file *file)
{
	_cleanup_(close_fd) int fd = -1;
	struct stat st;
	int r = open_regular(row, &fd, &st);

	if (r == -ENOENT || r == -ENXIO) /* ENXIO: a socket now */
		node_stale(fs, object_id(ino));
	if (r < 0)
		return r == -ENXIO ? -ENOENT : r;
	file->file = (struct fs_file){ .fd = fd, .direct = differs(row, &st) };
	if (file->file.direct)
		node_stale(fs, object_id(ino));
	r = cached_opens_add(fs->cached_opens, ino, &st, file);
	if (r == 0)
		TAKE_FD(fd);
	return r;
}

int fs_open(struct fs *fs, uint64_t ino, int flags, struct fs_file **ret_file)
{
	_cleanup_(local_release) struct local row = { 0 };
	_cleanup_(free_ptr) struct open_file *file = NULL;
	int r;

	if (object_kind(ino) == OBJECT_PAIR)
		return -ELOOP;
	if (object_kind(ino) != OBJECT_ENTRY)
		return -EISDIR;
	r = local_get(fs, object_id(ino), &row);
	if (r == 0)
		r = check_row(&row, flags);
	if (r < 0)
		return r;
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	r = open_entry(fs, ino, &row, file);
	if (r < 0)
		return r;
	*ret_file = &TAKE_PTR(file)->file;
	return 0;
}

void fs_close(struct fs *fs, struct fs_file *file)
{
	cached_opens_close(fs->cached_opens, (struct open_file *)file);
}
