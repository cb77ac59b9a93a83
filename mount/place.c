#include "mount/place.h"

#include <errno.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mountinfo.h"
#include "fs/session.h"
#include "mount/holder.h"
#include "mount/path.h"
#include "store/store.h"

static bool has_suffix(const char *path)
{
	size_t len = strlen(path), suffix = strlen(PLACE_LIBRARY_SUFFIX);

	return len >= suffix && strcmp(path + len - suffix, PLACE_LIBRARY_SUFFIX) == 0;
}

/* Without slashes at its end, with the suffix. */
static int with_suffix(const char *given, char **ret_path)
{
	size_t len = strlen(given);
	int n;

	while (len > 1 && given[len - 1] == '/')
		len--;
	n = asprintf(ret_path, "%.*s", (int)len, given);
	if (n < 0)
		return -ENOMEM;
	if (!has_suffix(*ret_path)) {
		char *plain = *ret_path;

		n = asprintf(ret_path, "%s%s", plain, PLACE_LIBRARY_SUFFIX);
		free(plain);
	}
	return n < 0 ? -ENOMEM : 0;
}

static bool is_library(const char *dir)
{
	struct uuid id;

	return store_peek(dir, &id) != -ENOENT;
}

int place_existing_library(const char *given, char **ret_dir)
{
	_cleanup_(free_ptr) char *suffixed = NULL;
	int r = with_suffix(given, &suffixed);

	if (r < 0)
		return r;
	if (is_library(given))
		return path_canonical(given, ret_dir);
	return is_library(suffixed) ? path_canonical(suffixed, ret_dir) : -ENOENT;
}

int place_library(const char *given, struct out *out, char **ret_dir)
{
	int r = place_existing_library(given, ret_dir);

	if (r == -ENOENT)
		out_error(out, "there is no shelf library at %s%s; `shelf create %s` makes one", given,
			  access(given, F_OK) == 0 && access(given, X_OK) < 0 ? " that you may enter" : "", given);
	else if (r < 0)
		out_fail(out, r, "%s", given);
	return r;
}

int place_new_library(const char *given, struct out *out, char **ret_dir)
{
	_cleanup_(free_ptr) char *path = NULL;
	_cleanup_(free_ptr) char *copy = NULL;
	_cleanup_(free_ptr) char *parent = NULL;
	struct stat st;
	int r = with_suffix(given, &path);

	if (r < 0)
		return r;
	if (strcmp(path_base(path), PLACE_LIBRARY_SUFFIX) == 0) {
		out_error(out, "cannot make a library at %s: its folder needs a name", given);
		return -EEXIST;
	}
	if (lstat(path, &st) == 0) {
		out_error(out, "cannot make a library at %s: something of that name is there already", path);
		return -EEXIST;
	}
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	parent = realpath(dirname(copy), NULL);
	if (!parent) {
		r = -errno;
		out_error(out, "cannot make a library at %s: the folder that it is to be in: %s", path, err_str(r));
		return r == -ENOENT ? -EEXIST : r;
	}
	return asprintf(ret_dir, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, path_base(path)) < 0 ? -ENOMEM : 0;
}

/* SQLite's write-ahead log needs memory shared by all who have it open, and locks that hold. */
static const char *network_filesystem(const struct statfs *fs)
{
	static const struct {
		unsigned magic;
		const char *name;
	} known[] = {
	    {NFS_SUPER_MAGIC, "NFS"},	{SMB_SUPER_MAGIC, "SMB"},     {CIFS_SUPER_MAGIC, "CIFS"},
	    {SMB2_SUPER_MAGIC, "SMB"},	{AFS_SUPER_MAGIC, "AFS"},     {AFS_FS_MAGIC, "AFS"},
	    {CODA_SUPER_MAGIC, "Coda"}, {NCP_SUPER_MAGIC, "NCP"},     {V9FS_MAGIC, "9p"},
	    {CEPH_SUPER_MAGIC, "Ceph"}, {OCFS2_SUPER_MAGIC, "OCFS2"}, {0x0BD00BD0, "Lustre"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if ((unsigned)fs->f_type == known[i].magic)
			return known[i].name;
	}
	return NULL;
}

/* FUSE has one number for all; mountinfo has the name. */
static const char *network_fuse(const char *type)
{
	static const char *const known[] = {
	    "fuse.sshfs",      "fuse.rclone",	 "fuse.davfs",	   "fuse.davfs2",
	    "fuse.gvfsd-fuse", "fuse.s3fs",	 "fuse.glusterfs", "fuse.ceph-fuse",
	    "fuse.gcsfuse",    "fuse.curlftpfs", "fuse.juicefs",   "fuse.goofys",
	    "fuse.smbnetfs",   "fuse.kio-fuse",	 "fuse.onedriver", "fuse.google-drive-ocamlfuse",
	    SESSION_MOUNT_TYPE,
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(type, known[i]) == 0)
			return known[i];
	}
	return NULL;
}

static int check_fuse(const char *dir, struct out *out)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	const struct mountinfo_line *line;
	int r = mountinfo_read(&info);

	if (r < 0)
		return r;
	line = mountinfo_of(&info, dir);
	if (!line || !network_fuse(line->type))
		return 0;
	if (strcmp(line->type, SESSION_MOUNT_TYPE) == 0)
		out_error(out, "%s is inside a shelf mount (%s): a library has to be in a real folder", dir,
			  line->path);
	else
		out_error(out,
			  "%s is on a network filesystem (%s), where a database is not safe: put the library on a "
			  "disk of this device",
			  dir, line->type);
	return -EOPNOTSUPP;
}

int place_check_library(const char *dir, struct out *out)
{
	const char *network;
	struct statfs fs;

	if (statfs(dir, &fs) < 0) {
		int r = -errno;

		out_fail(out, r, "%s", dir);
		return r;
	}
	network = network_filesystem(&fs);
	if (network) {
		out_error(out,
			  "%s is on a network filesystem (%s), where a database is not safe: put the library on a "
			  "disk of this device",
			  dir, network);
		return -EOPNOTSUPP;
	}
	return fs.f_type == FUSE_SUPER_MAGIC ? check_fuse(dir, out) : 0;
}

/* A mount may be seen at several places (bind mounts): any of them will do. */
static int holder_of_filesystem(const struct mountinfo *info, const struct mountinfo_line *here,
				struct holder *ret_holder)
{
	for (size_t i = 0; i < info->count; i++) {
		const struct mountinfo_line *line = &info->lines[i];

		if (line->major == here->major && line->minor == here->minor &&
		    holder_of_mount(line->path, ret_holder) == 0)
			return 0;
	}
	return -ENOENT;
}

/* Of the mount that the working directory is in. */
static int library_of_cwd(char **ret_dir)
{
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	_cleanup_(holder_release) struct holder holder = HOLDER_INIT;
	_cleanup_(free_ptr) char *cwd = getcwd(NULL, 0);
	const struct mountinfo_line *here;
	int r = cwd ? mountinfo_read(&info) : -errno;

	if (r < 0)
		return r;
	here = mountinfo_of(&info, cwd);
	if (!here || strcmp(here->type, SESSION_MOUNT_TYPE) != 0)
		return -ENOENT;
	r = holder_of_filesystem(&info, here, &holder);
	if (r < 0)
		return r;
	*ret_dir = TAKE_PTR(holder.library);
	return 0;
}

int place_find_library(const char *given, struct out *out, char **ret_dir)
{
	const char *named = given ? given : getenv("SHELF_LIBRARY");

	if (named && named[0] != '\0')
		return place_library(named, out, ret_dir);
	if (library_of_cwd(ret_dir) == 0)
		return 0;
	out_error(out, "which library? Say -l LIBRARY, set $SHELF_LIBRARY, or go into a mount");
	return -EINVAL;
}
