#include "fs/ops.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/text.h"
#include "fs/announce.h"
#include "store/object.h"

#define LISTING_MAX (256 * 1024) /* bytes of one answer, whatever the kernel asks for; glibc asks for 32 KiB */

static _Thread_local struct ops_scratch *scratch;

void ops_use_scratch(struct ops_scratch *s)
{
	scratch = s;
}

void ops_scratch_release(struct ops_scratch *s)
{
	buf_release(&s->text);
	free(s->listing);
	s->listing = NULL;
	s->listing_len = 0;
}

static struct ops *ops_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* --- replies --- */

/* ENOSYS never gets out: the kernel would take it to mean that the whole mount has no such call. */
static void reply_err(fuse_req_t req, int r)
{
	int code = r < 0 ? err_errno(r) : 0;

	fuse_reply_err(req, code == ENOSYS ? EOPNOTSUPP : code);
}

static struct timespec timespec_of(int64_t ns)
{
	int64_t second = 1000000000;
	int64_t rest = ns % second;

	if (rest < 0) /* before 1970 */
		rest += second;
	return (struct timespec){ .tv_sec = (ns - rest) / second, .tv_nsec = rest };
}

static struct stat stat_of(const struct fs_attr *attr)
{
	struct timespec time = timespec_of(attr->mtime_ns);

	return (struct stat){
		.st_ino = attr->ino,
		.st_mode = attr->mode,
		.st_nlink = attr->nlink,
		.st_uid = attr->uid,
		.st_gid = attr->gid,
		.st_size = (off_t)attr->size,
		.st_blocks = (blkcnt_t)attr->blocks,
		.st_atim = time,
		.st_mtim = time,
		.st_ctim = time,
	};
}

static struct fuse_entry_param entry_of(const struct ops *ops, const struct fs_attr *attr)
{
	return (struct fuse_entry_param){
		.ino = attr->ino,
		.attr = stat_of(attr),
		.attr_timeout = attr->partial ? 0 : ops->timeouts->attr,
		.entry_timeout = ops->timeouts->entry,
	};
}

static void reply_entry(fuse_req_t req, int r, const struct fs_attr *attr)
{
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	struct fuse_entry_param entry = entry_of(ops_of(req), attr);
	fuse_reply_entry(req, &entry);
}

/* A negative entry, which the kernel keeps. */
static void reply_absent(fuse_req_t req)
{
	struct fuse_entry_param entry = { .ino = 0, .entry_timeout = ops_of(req)->timeouts->absent };

	fuse_reply_entry(req, &entry);
}

/* An extended attribute or a list of names: size 0 asks for the length. */
static void reply_value(fuse_req_t req, int r, const struct buf *value, size_t size)
{
	if (r < 0)
		reply_err(req, r);
	else if (size == 0)
		fuse_reply_xattr(req, value->len);
	else if (value->len > size)
		reply_err(req, -ERANGE);
	else
		fuse_reply_buf(req, (const char *)value->data, value->len);
}

static void refuse(fuse_req_t req, fuse_ino_t ino)
{
	reply_err(req, fs_refuse(ops_of(req)->fs, ino));
}

/* --- the connection --- */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	/* READDIRPLUS without AUTO: attributes come with every listing; AUTO would fetch most of them one by one when a
	 * program reads a large directory before it looks at its files, as find and du do.
	 * AUTO_INVAL_DATA: the page cache of a file goes when its row has another size or time. It costs nothing here,
	 * because attributes stay fresh until the notifier drops them.
	 * PARALLEL_DIROPS is asked for, but libfuse before 3.17 does not pass it on. */
	const unsigned on = FUSE_CAP_READDIRPLUS | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_NO_OPENDIR_SUPPORT |
			    FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ |
			    FUSE_CAP_SPLICE_WRITE;
	/* SPLICE_MOVE would steal pages from the cache of the real file, so that its next reader goes to the disk.
	 * SPLICE_READ is for writes, of which there are none. With WRITEBACK the kernel would own sizes and times. */
	const unsigned off = FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_SPLICE_READ |
			     FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_EXPLICIT_INVAL_DATA |
			     FUSE_CAP_POSIX_ACL;
	struct ops *ops = userdata;

	conn->want = (conn->want & ~off) | (conn->capable & on);
	ops->opendir_needed = !(conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT);
}

/* --- names and attributes: what is answered here and may be remembered is bracketed by the grace period --- */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ops *ops = ops_of(req);
	struct fs_attr attr = { 0 };
	unsigned slot = grace_enter(ops->grace);
	int r = fs_lookup(ops->fs, parent, name, &attr);

	if (r == -ENOENT && fs_is_litter(ops->fs, parent, name) > 0)
		reply_absent(req);
	else
		reply_entry(req, r, &attr);
	grace_leave(ops->grace, slot);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ops *ops = ops_of(req);
	struct fs_attr attr = { 0 };
	unsigned slot = grace_enter(ops->grace);
	int r = fs_getattr(ops->fs, ino, &attr);

	if (r < 0) {
		reply_err(req, r);
	} else {
		struct stat stat = stat_of(&attr);
		fuse_reply_attr(req, &stat, ops->timeouts->attr);
	}
	grace_leave(ops->grace, slot);
}

static int answer_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct buf *target = &scratch->text;

	buf_clear(target);
	int r = fs_readlink(ops_of(req)->fs, ino, target);
	if (r >= 0)
		r = buf_append(target, "", 1);
	if (r >= 0 && target->len > PATH_MAX)
		r = -ENAMETOOLONG;
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_readlink(req, (const char *)target->data);
	return r;
}

/* What a symlink in a location answers depends on the disk and on every directory above it, of whose moves no notice tells
 * the symlinks below. So the kernel is made to forget it at once, whatever happened since: that needs no bracket, and a
 * slow disk does not hold up the notifier. */
static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct ops *ops = ops_of(req);

	if (object_kind(ino) == OBJECT_ENTRY) {
		if (answer_readlink(req, ino) >= 0)
			announce_forget(ops->announce, ino);
		return;
	}
	unsigned slot = grace_enter(ops->grace);
	answer_readlink(req, ino);
	grace_leave(ops->grace, slot);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct ops *ops = ops_of(req);
	struct fs_attr attr = { 0 };
	unsigned slot = grace_enter(ops->grace);
	int r = fs_mkdir(ops->fs, parent, name, &attr);

	reply_entry(req, r, &attr);
	grace_leave(ops->grace, slot);
}

/* 1: it replied. -ENOENT: it did not. */
static int try_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct ops *ops = ops_of(req);
	struct fs_attr attr = { 0 };
	unsigned slot = grace_enter(ops->grace);
	int r = fs_symlink(ops->fs, parent, name, target, &attr);

	if (r != -ENOENT) {
		reply_entry(req, r, &attr);
		r = 1;
	}
	grace_leave(ops->grace, slot);
	return r;
}

/* Only a text that names nothing is looked for on disk, between two attempts and outside the brackets. */
static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	char *real = NULL;
	int r = try_symlink(req, target, parent, name);

	if (r == -ENOENT && fs_real_target(ops_of(req)->fs, parent, target, &real) == 0)
		r = try_symlink(req, real, parent, name);
	free(real);
	if (r < 0)
		reply_err(req, r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_err(req, fs_unlink(ops_of(req)->fs, parent, name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_err(req, fs_rmdir(ops_of(req)->fs, parent, name));
}

/* Favorites is less deep than a tag, so a link that comes from there or goes there has another target, and the kernel keeps
 * the inode and with it the target that it has read. The notifier would come a moment too late for a caller that looks at
 * once. It is safe here, before the reply: a rename holds no page of the link. */
static void forget_target(struct ops *ops, uint64_t parent, const char *name)
{
	struct fs_attr attr;

	if (fs_lookup(ops->fs, parent, name, &attr) >= 0)
		fuse_lowlevel_notify_inval_inode(ops->session, attr.ino, 0, 0);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
		      unsigned flags)
{
	struct ops *ops = ops_of(req);
	unsigned slot = grace_enter(ops->grace);

	int r = fs_rename(ops->fs, parent, name, new_parent, new_name, flags);

	if (r >= 0 && parent != new_parent && (parent == OBJECT_FAVORITES || new_parent == OBJECT_FAVORITES))
		forget_target(ops, new_parent, new_name);
	reply_err(req, r);
	grace_leave(ops->grace, slot);
}

/* --- listings --- */

struct listing {
	fuse_req_t req;
	const struct ops *ops;
	char *buf;
	size_t size, used; /* bytes */
	bool plus;
};

/* Whether the kernel takes it: one name that it refuses costs the whole listing. */
static bool name_is_sendable(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= TEXT_NAME_MAX && !memchr(name, '/', len);
}

static bool name_is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* An entry that does not fit is not written, so the kernel does not count a look-up of it. An entry of inode 0 is taken
 * as a bare name and type: so are "." and "..", which the kernel does not count either. */
static int listing_fill(void *arg, const char *name, const struct fs_attr *attr, uint64_t next)
{
	struct listing *listing = arg;
	char *at = listing->buf + listing->used;
	size_t left = listing->size - listing->used;
	size_t need;

	if (!name_is_sendable(name))
		return 0;
	if (listing->plus) {
		struct fuse_entry_param entry = entry_of(listing->ops, attr);
		if (name_is_dots(name))
			entry.ino = 0;
		need = fuse_add_direntry_plus(listing->req, at, left, name, &entry, (off_t)next);
	} else {
		struct stat stat = { .st_ino = attr->ino, .st_mode = attr->mode };
		need = fuse_add_direntry(listing->req, at, left, name, &stat, (off_t)next);
	}
	if (need > left)
		return 1;
	listing->used += need;
	return 0;
}

static int listing_reserve(struct ops_scratch *s, size_t size)
{
	if (size <= s->listing_len)
		return 0;
	char *grown = realloc(s->listing, size);
	if (!grown)
		return -ENOMEM;
	s->listing = grown;
	s->listing_len = size;
	return 0;
}

/* After entries with counted look-ups an error must not be reported: they are sent; the next call meets it again. */
static void list(fuse_req_t req, fuse_ino_t dir, size_t size, off_t offset, bool plus)
{
	struct ops *ops = ops_of(req);
	struct listing listing = { .req = req, .ops = ops, .plus = plus };
	unsigned slot = grace_enter(ops->grace);

	listing.size = size < LISTING_MAX ? size : LISTING_MAX;
	int r = listing_reserve(scratch, listing.size);
	if (r >= 0) {
		listing.buf = scratch->listing;
		r = fs_list(ops->fs, dir, (uint64_t)offset, plus, listing_fill, &listing);
	}
	if (r < 0 && listing.used == 0)
		reply_err(req, r);
	else
		fuse_reply_buf(req, listing.buf, listing.used);
	grace_leave(ops->grace, slot);
}

/* ENOSYS once: from then on the kernel opens directories by itself and caches listings until they are dropped. */
static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (!ops_of(req)->opendir_needed) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->cache_readdir = 1;
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	list(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	list(req, ino, size, offset, true);
}

/* --- contents: not bracketed, a slow disk must not hold up the notifier --- */

static struct fs_file *file_of(const struct fuse_file_info *fi)
{
	return (struct fs_file *)(uintptr_t)fi->fh;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ops *ops = ops_of(req);
	struct fs_file *file = NULL;
	int r = fs_open(ops->fs, ino, fi->flags, &file);

	if (r < 0) {
		reply_err(req, r);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)file;
	fi->keep_cache = file->keep_cache;
	fi->direct_io = file->direct;
	fi->noflush = 1;
	if (fuse_reply_open(req, fi) != 0) /* the caller was interrupted: no release follows */
		fs_close(ops->fs, file);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);

	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY;
	data.buf[0].fd = file_of(fi)->fd;
	data.buf[0].pos = offset;
	fuse_reply_data(req, &data, 0); /* answers with the error when reading fails */
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fs_close(ops_of(req)->fs, file_of(fi));
	reply_err(req, 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs stat = { 0 };
	int r = fs_statfs(ops_of(req)->fs, &stat);

	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_statfs(req, &stat);
}

/* --- extended attributes, which the kernel never caches --- */

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct buf *value = &scratch->text;

	buf_clear(value);
	int r = fs_getxattr(ops_of(req)->fs, ino, name, value);
	reply_value(req, r, value, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct buf *names = &scratch->text;

	buf_clear(names);
	int r = fs_listxattr(ops_of(req)->fs, ino, names);
	reply_value(req, r, names, size);
}

/* --- what is never allowed --- */

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	refuse(req, ino);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	refuse(req, parent);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	refuse(req, parent);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	refuse(req, new_parent);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	refuse(req, ino);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	refuse(req, ino);
}

/* What is missing here the kernel does by itself or reports as not supported, without asking twice. Nothing is kept for
 * an inode, so there is nothing to forget; permissions are the kernel's business (default_permissions); files are never
 * open for writing. */
const struct fuse_lowlevel_ops ops_table = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.release = op_release,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
};
