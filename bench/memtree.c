/* A yardstick: a tree in memory behind the low-level API, what the kernel and libfuse cost before any product code
 * runs. Everything is worked out from inode numbers; nothing is kept for an inode. The kernel may remember for a day;
 * getxattr is ENOSYS.
 *
 *     memtree DIR SHAPE [plus|auto|noplus] [cachedir] [links]
 *
 * plus (default), auto, noplus: attributes with every listing, as the kernel guesses, never. cachedir: opendir is
 * ENOSYS, so the kernel caches listings. links: the files are symlinks, whose targets the kernel caches. Stays in front. */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/shape.h"

#define TTL	   86400.0
#define LISTING	   65536
#define FILE_INO   (UINT64_C(1) << 56)
#define LINK_PREFIX "../../devices/laptop/photos/"

static struct shape shape;
static bool plus = true, automatic, cachedir, links;

/* Inodes: 1 the root, 2 + i the directory i, FILE_INO | dir << 24 | file. */
static uint64_t dir_ino(uint32_t dir)
{
	return shape.dirs ? 2 + dir : FUSE_ROOT_ID;
}

static uint64_t file_ino(uint32_t dir, uint32_t file)
{
	return FILE_INO | (uint64_t)dir << 24 | file;
}

/* The directory that has the files, or -1. */
static int64_t files_of(uint64_t ino)
{
	if (shape.dirs == 0)
		return ino == FUSE_ROOT_ID ? 0 : -1;
	return ino >= 2 && ino < 2 + shape.dirs ? (int64_t)(ino - 2) : -1;
}

static uint32_t count_of(uint64_t ino)
{
	return files_of(ino) >= 0 ? shape.files : shape.dirs;
}

/* The name and inode of the i-th thing in a directory. */
static uint64_t child(uint64_t parent, uint32_t i, char name[SHAPE_NAME_MAX])
{
	int64_t dir = files_of(parent);

	if (dir < 0) {
		shape_dir_name(i, name);
		return dir_ino(i);
	}
	shape_file_name((uint32_t)dir, i, name);
	return file_ino((uint32_t)dir, i);
}

static struct stat attr_of(uint64_t ino)
{
	struct stat st = { .st_ino = ino, .st_nlink = 1, .st_mtime = 1700000000 };

	if (!(ino & FILE_INO)) {
		st.st_mode = S_IFDIR | 0755;
		st.st_nlink = 2;
	} else if (links) {
		st.st_mode = S_IFLNK | 0777;
		st.st_size = sizeof(LINK_PREFIX) - 1 + 20;
	} else {
		st.st_mode = S_IFREG | 0644;
	}
	return st;
}

static struct fuse_entry_param entry_of(uint64_t ino)
{
	return (struct fuse_entry_param){ .ino = ino, .attr = attr_of(ino), .attr_timeout = TTL, .entry_timeout = TTL };
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
	if (plus || automatic)
		conn->want |= FUSE_CAP_READDIRPLUS;
	if (automatic)
		conn->want |= FUSE_CAP_READDIRPLUS_AUTO;
	if (links)
		conn->want |= FUSE_CAP_CACHE_SYMLINKS;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	bool in_files = files_of(parent) >= 0;
	int64_t i = shape_number(name, in_files ? 'f' : 'd');
	char right[SHAPE_NAME_MAX];

	if (i < 0 || i >= count_of(parent)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	struct fuse_entry_param entry = entry_of(child(parent, (uint32_t)i, right));
	if (strcmp(name, right) != 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st = attr_of(ino);

	fuse_reply_attr(req, &st, TTL);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[sizeof(LINK_PREFIX) + SHAPE_NAME_MAX] = LINK_PREFIX;

	shape_file_name((uint32_t)(ino >> 24), (uint32_t)(ino & 0xffffff), target + sizeof(LINK_PREFIX) - 1);
	fuse_reply_readlink(req, target);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (cachedir)
		fuse_reply_err(req, ENOSYS);
	else
		fuse_reply_open(req, fi);
}

static void list(fuse_req_t req, fuse_ino_t dir, size_t size, off_t offset, bool with_attr)
{
	char buf[LISTING], name[SHAPE_NAME_MAX];
	size_t used = 0;

	if (size > sizeof(buf))
		size = sizeof(buf);
	for (off_t at = offset; at < (off_t)count_of(dir) + 2; at++) {
		uint64_t ino = at < 2 ? FUSE_ROOT_ID : child(dir, (uint32_t)(at - 2), name);
		struct fuse_entry_param entry = entry_of(ino);
		if (at < 2) {
			strcpy(name, at == 0 ? "." : "..");
			entry.ino = 0;
		}
		size_t need = with_attr ? fuse_add_direntry_plus(req, buf + used, size - used, name, &entry, at + 1) :
					  fuse_add_direntry(req, buf + used, size - used, name, &entry.attr, at + 1);
		if (need > size - used)
			break;
		used += need;
	}
	fuse_reply_buf(req, buf, used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	list(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	list(req, ino, size, offset, true);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
};

static int parse(int argc, char **argv)
{
	if (argc < 3 || shape_parse(argv[2], &shape) < 0)
		return -1;
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "auto") == 0 || strcmp(argv[i], "noplus") == 0) {
			plus = false;
			automatic = argv[i][0] == 'a';
		} else if (strcmp(argv[i], "cachedir") == 0) {
			cachedir = true;
		} else if (strcmp(argv[i], "links") == 0) {
			links = true;
		} else if (strcmp(argv[i], "plus") != 0) {
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	char *mount_argv[] = { argv[0], "-o", "fsname=memtree,default_permissions" };
	struct fuse_args args = FUSE_ARGS_INIT(3, mount_argv);

	if (parse(argc, argv) < 0) {
		fprintf(stderr, "usage: %s DIR SHAPE [plus|auto|noplus] [cachedir] [links]\n", argv[0]);
		return 2;
	}
	struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!session || fuse_set_signal_handlers(session) < 0 || fuse_session_mount(session, argv[1]) < 0)
		return 1;
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return r == 0 ? 0 : 1;
}
