#include "index/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mountinfo.h"
#include "base/text.h"
#include "index/beneath.h"
#include "index/index.h"
#include "store/device.h"

/* Filesystems that are views of the kernel or of a program, not places for files (types in mountinfo, proc(5)).
 * devtmpfs has the statfs type of tmpfs, so statfs(2) cannot tell. */
static const char *const pseudo_types[] = {
    "autofs",	  "binfmt_misc",     "bpf",	    "cgroup",  "cgroup2",   "configfs", "debugfs", "devpts", "devtmpfs",
    "efivarfs",	  "fuse.gvfsd-fuse", "fuse.portal", "fusectl", "hugetlbfs", "mqueue",	"nsfs",	   "proc",   "pstore",
    "rpc_pipefs", "securityfs",	     "selinuxfs",   "smackfs", "sysfs",	    "tracefs",
};

/* --- identity --- */

bool root_is_same(const struct location_identity *a, const struct location_identity *b)
{
	if (a->ino != b->ino)
		return false;
	if (a->btime_ns != 0 && b->btime_ns != 0)
		return a->btime_ns == b->btime_ns;
	return a->fsid == b->fsid;
}

int root_identify(int fd, struct location_identity *ret_identity)
{
	struct beneath_stat st;
	struct statfs fs;
	uint64_t fsid = 0;
	int r;

	r = beneath_look(fd, "", 0, &st);
	if (r < 0)
		return r;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	memcpy(&fsid, &fs.f_fsid, sizeof(fs.f_fsid) < sizeof(fsid) ? sizeof(fs.f_fsid) : sizeof(fsid));
	*ret_identity = (struct location_identity){.fsid = fsid, .ino = st.attr.ino, .btime_ns = st.attr.btime_ns};
	return 0;
}

bool root_is_remote(int fd)
{
	static const unsigned long remote[] = {
	    NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, V9FS_MAGIC,
	    AFS_SUPER_MAGIC, AFS_FS_MAGIC,    CEPH_SUPER_MAGIC, FUSE_SUPER_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(remote) / sizeof(*remote); i++)
		if ((unsigned long)(unsigned)fs.f_type == remote[i])
			return true;
	return false;
}

int root_open(const char *path, const struct location_identity *expected)
{
	_cleanup_(close_fd) int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct location_identity found;
	int r = fd < 0 ? -errno : root_identify(fd, &found);

	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM) /* says nothing of the directory */
		return r;
	if (r < 0 || !root_is_same(&found, expected))
		return -ENODEV;
	return TAKE_FD(fd);
}

/* --- may it be a location? --- */

struct check {
	const char *path; /* absolute, symlinks resolved */
	char *shown;	  /* the same for a message; owned */
	struct statx st;
	char **ret_reason;
};

/* Sets the reason; passes `error` on. */
static int refuse(const struct check *check, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int refuse(const struct check *check, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(check->ret_reason, format, args) < 0)
		*check->ret_reason = NULL;
	va_end(args);
	return error;
}

/* Whether `path` is `folder` or below it. */
static bool is_inside(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	if (strcmp(folder, "/") == 0)
		return true;
	return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static int look_at_root(struct check *check)
{
	if (statx(AT_FDCWD, check->path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID, &check->st) < 0)
		return refuse(check, -errno, "%s cannot be looked at (%s); check the path.", check->shown,
			      strerror(errno));
	if (!S_ISDIR(check->st.stx_mode))
		return refuse(check, -ENOTDIR, "%s is not a folder; give the folder that it is in.", check->shown);
	if (access(check->path, R_OK | X_OK) < 0)
		return refuse(check, -EACCES, "You may not read %s; change its permissions, or choose another folder.",
			      check->shown);
	return 0;
}

static int check_forbidden(const struct check *check, const char *const *forbidden)
{
	for (; forbidden && *forbidden; forbidden++) {
		_cleanup_(free_ptr) char *resolved = realpath(*forbidden, NULL);

		if (is_inside(check->path, resolved ? resolved : *forbidden))
			return refuse(check, -EINVAL,
				      "%s is inside this library's own folder or mount; choose a folder outside of it.",
				      check->shown);
	}
	return 0;
}

static int check_type(const struct check *check, const char *type)
{
	if (strcmp(type, "fuse.shelf") == 0)
		return refuse(check, -EINVAL, "%s is inside a mounted library; add the real folder instead.",
			      check->shown);
	for (size_t i = 0; i < sizeof(pseudo_types) / sizeof(*pseudo_types); i++)
		if (strcmp(type, pseudo_types[i]) == 0)
			return refuse(check, -EINVAL,
				      "%s is on %s, which holds no files of yours; choose another folder.",
				      check->shown, type);
	return 0;
}

static int check_filesystem(const struct check *check)
{
	_cleanup_(mountinfo_release) struct mountinfo mounts = MOUNTINFO_INIT;
	const struct mountinfo_line *line = NULL;

	if ((check->st.stx_mask & STATX_MNT_ID) && mountinfo_read(&mounts) == 0)
		line = mountinfo_by_id(&mounts, check->st.stx_mnt_id);
	return line ? check_type(check, line->type) : 0;
}

/* Scans do not cross mounts, so a location on another mount is no part of the one around it. */
static bool on_one_mount(const struct check *check, const char *other)
{
	struct statx st;

	if (statx(AT_FDCWD, other, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
		return true; /* offline: it will be back */
	if ((st.stx_mask & check->st.stx_mask & STATX_MNT_ID) && st.stx_mnt_id != check->st.stx_mnt_id)
		return false;
	return st.stx_dev_major == check->st.stx_dev_major && st.stx_dev_minor == check->st.stx_dev_minor;
}

static int check_other(const struct check *check, const struct location *other)
{
	_cleanup_(free_ptr) char *shown = NULL;
	bool inside = is_inside(check->path, other->path), around = is_inside(other->path, check->path);

	if ((!inside && !around) || !on_one_mount(check, other->path))
		return 0;
	shown = text_printable(other->path, strlen(other->path));
	if (inside && around)
		return refuse(check, -EEXIST, "%s is a location already, named %s; there is nothing to add.",
			      check->shown, other->name);
	if (inside)
		return refuse(check, -EEXIST, "%s is inside %s, which is the location %s; its files are there already.",
			      check->shown, shown, other->name);
	return refuse(check, -EEXIST, "%s is around %s, which is the location %s; remove that one first.", check->shown,
		      shown, other->name);
}

static int find_self(struct db *db, int64_t *ret_device)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_list(db, 0, &rows);

	while (r >= 0 && (r = device_next(&rows, &device)) == 0)
		if (device.self) {
			*ret_device = device.id;
			return 0;
		}
	return r < 0 ? r : -ENOENT;
}

static int check_others(const struct check *check, struct db *db, int64_t *ret_until)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location other;
	int64_t self;
	int r;

	r = find_self(db, &self);
	if (r >= 0)
		r = location_list(db, self, 0, &rows);
	if (r < 0)
		return refuse(check, r, "The library cannot be read to check %s; run `shelf check`.", check->shown);
	*ret_until = 0;
	while ((r = location_next(&rows, &other)) == 0) {
		*ret_until = other.id;
		r = check_other(check, &other);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int describe(const struct check *check, struct location_new *ret_new)
{
	_cleanup_(close_fd) int fd = open(check->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct location_new new = {.path = check->path};
	struct beneath_stat st;
	int r;

	r = fd < 0 ? -errno : beneath_look(fd, "", 0, &st);
	if (r >= 0)
		r = root_identify(fd, &new.identity);
	if (r < 0)
		return refuse(check, r, "%s cannot be looked at (%s); check the path.", check->shown, strerror(-r));
	new.mode = st.attr.mode;
	new.mtime_ns = st.attr.mtime_ns;
	*ret_new = new;
	return 0;
}

static int check_all(struct check *check, struct db *db, const char *const *forbidden, struct location_new *ret_new)
{
	int64_t until = 0;
	int r;

	r = look_at_root(check);
	if (r >= 0)
		r = check_forbidden(check, forbidden);
	if (r >= 0)
		r = check_filesystem(check);
	if (r >= 0)
		r = check_others(check, db, &until);
	if (r >= 0)
		r = describe(check, ret_new);
	if (r < 0)
		return r;
	ret_new->checked = true;
	ret_new->checked_until = until;
	return 0;
}

int index_check_root(struct db *db, const char *path, const char *const *forbidden, char **ret_path,
		     struct location_new *ret_new, char **ret_reason)
{
	_cleanup_(free_ptr) char *resolved = NULL, *reason = NULL, *shown = NULL;
	struct check check = {.ret_reason = &reason};
	int r;

	resolved = realpath(path, NULL);
	r = resolved ? 0 : -errno;
	check.path = resolved ? resolved : path;
	check.shown = shown = text_printable(check.path, strlen(check.path));
	if (!shown)
		r = -ENOMEM;
	else if (r == -ENOENT)
		refuse(&check, r, "There is no folder %s; check the path.", shown);
	else if (r < 0)
		refuse(&check, r, "%s cannot be reached (%s); check the path.", shown, strerror(-r));
	else
		r = check_all(&check, db, forbidden, ret_new);
	if (r < 0)
		*ret_reason = TAKE_PTR(reason);
	else
		*ret_path = TAKE_PTR(resolved);
	return r;
}
