/* The virtual tree of design section 2, without FUSE: what is where, and what each call does.
 *
 * Inode numbers are object numbers (store/object.h); nothing is kept in memory per inode. All calls take the store's
 * reader of the calling thread, read one consistent state, and hold nothing when they return.
 *
 * Errors are negative errno or project errors, as the table of design section 2 says. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>

#include "base/buf.h"
#include "store/store.h"

struct fs;

struct fs_opts {
	uint32_t uid, gid;      /* everything shows these */
	const char *mountpoint; /* absolute; for link targets that are absolute paths through the mount; NULL = none. Copied */
	/* An open found a file that differs from its row. May be called on any thread; must not block. NULL = nobody. */
	void (*stale)(void *arg, int64_t entry);
	void *arg;
};

int fs_new(struct store *store, const struct fs_opts *opts, struct fs **ret_fs);
void fs_free(struct fs *fs); /* closes what it holds; no call may be under way. NULL does nothing */

struct fs_attr {
	uint64_t ino;
	uint32_t mode; /* type and permissions */
	uint32_t nlink;
	uint64_t size;
	uint64_t blocks; /* of 512 bytes; 0 for a peer's file */
	int64_t mtime_ns;
	uint32_t uid, gid;
	bool partial; /* size and times are not filled in: whoever wants them asks fs_getattr */
};

int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret_attr);
/* 1: the name is desktop litter that is answered from memory: it is not there and never will be (may be cached). */
int fs_is_litter(struct fs *fs, uint64_t parent, const char *name);
/* A tag or album looks always the same, and is not read for it: of one that was removed too, as for whoever stands in a
 * removed directory anywhere. */
int fs_getattr(struct fs *fs, uint64_t ino, struct fs_attr *ret_attr);
/* Of a symlink in a location the disk is read, and the answer depends on where the directories above it stand.
 * Errors: -EPERM: leads outside; -EREMOTE: a peer's. */
int fs_readlink(struct fs *fs, uint64_t ino, struct buf *ret_target);

/* Lists a directory from `offset` on (0 = the start). For each entry `fill` is called with its shown name and its
 * attributes, all of them if `plus`, else only ino and type; `next` is the offset that continues after it. When it returns
 * non-zero the listing ends (that entry did not fit) and fs_list returns 0. "." and ".." come first. */
typedef int fs_fill_fn(void *arg, const char *name, const struct fs_attr *attr, uint64_t next);
int fs_list(struct fs *fs, uint64_t dir, uint64_t offset, bool plus, fs_fill_fn *fill, void *arg);

int fs_mkdir(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret_attr);
int fs_rmdir(struct fs *fs, uint64_t parent, const char *name);
/* The attributes are partial: nobody who tags asks for them, and the length of the target costs a walk to the root.
 * The target is taken by its text. On -ENOENT, fs_real_target gives another one to try. Never reads the disk. */
int fs_symlink(struct fs *fs, uint64_t parent, const char *name, const char *target, struct fs_attr *ret_attr);
/* The target of a symlink in `parent` once real symlinks and bind mounts on its way are followed: an absolute path, on the
 * heap. Blocks: reads the disk, but never our own mount. Errors: -ENOENT (also when it is the same), -ELOOP. */
int fs_real_target(struct fs *fs, uint64_t parent, const char *target, char **ret_real);
int fs_unlink(struct fs *fs, uint64_t parent, const char *name);
int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name, unsigned flags);

/* What the calls that are never allowed answer there: create, mknod, link, write, truncate, chmod, chown, setxattr.
 * Always negative: -EPERM or -EROFS. */
int fs_refuse(struct fs *fs, uint64_t ino);

struct fs_file {
	int fd;          /* the real file */
	bool keep_cache; /* it is what the last cached open saw */
	bool direct;     /* read past the page cache: it differs from its row, or others have another file open here */
};

/* The real file of a local entry, opened for reading beneath its location; `flags` of open(2). `ret_file` goes to fs_close.
 * Errors: -EREMOTE (a peer's), -EROFS (for writing), -EPERM (FIFO, socket, device), -EISDIR, -ENOENT (vanished),
 * -EIO (its location is offline). */
int fs_open(struct fs *fs, uint64_t ino, int flags, struct fs_file **ret_file);
void fs_close(struct fs *fs, struct fs_file *file); /* after the kernel has ended all reads; fs_free closes the rest */

int fs_statfs(struct fs *fs, struct statvfs *ret_stat); /* never all zeros; from memory or the library's filesystem */

/* Extended attributes. security.* and system.* are answered without the database (-EOPNOTSUPP). Value or list is appended.
 * Errors: -ENODATA, -EOPNOTSUPP. */
int fs_getxattr(struct fs *fs, uint64_t ino, const char *name, struct buf *ret_value);
int fs_listxattr(struct fs *fs, uint64_t ino, struct buf *ret_names);

/* --- for commands --- */

/* The object that a path names: a path below the mount ("devices/...", "tags/x/y"), an absolute path through the mount
 * point, or the absolute path of a real file in a local location. Links in collections are followed to their entry when
 * `follow`. Errors: -ENOENT. */
int fs_resolve(struct fs *fs, const char *path, bool follow, uint64_t *ret_ino);

/* The path of a directory or entry below the mount root, "devices/laptop/photos/a.jpg". Errors: -ENOENT. */
int fs_path(struct fs *fs, uint64_t ino, struct buf *ret_path);

/* The absolute path of the real file of a local entry. Errors: -EREMOTE, -ENOENT. */
int fs_real_path(struct fs *fs, int64_t entry, struct buf *ret_path);
