#include "index/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/mountinfo.h"
#include "base/text.h"
#include "base/uuid.h"

/* What is known of a filesystem while it is looked at. */
struct looking {
	int fd;
	struct mountinfo mounts;
	const struct mountinfo_line *line;
	dev_t device; /* the block device; 0 = none */
};

/* --- udev's names --- */

static void closedir_p(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int hex(char digit)
{
	const char *digits = "0123456789abcdef", *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* What a name of a file cannot hold is written as \xNN. */
static void unescape(const char *text, char ret_name[DISK_TEXT_MAX])
{
	size_t len = 0;

	while (*text && len < DISK_TEXT_MAX - 1) {
		int high = text[0] == '\\' && text[1] == 'x' ? hex(text[2]) : -1;
		int low = high >= 0 ? hex(text[3]) : -1;

		ret_name[len++] = low >= 0 ? (char)(high * 16 + low) : *text;
		text += low >= 0 ? 4 : 1;
	}
	ret_name[len] = '\0';
}

int disk_udev_name(const char *folder, dev_t device, char ret_name[DISK_TEXT_MAX])
{
	_cleanup_(closedir_p) DIR *dir = opendir(folder);
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir)) != NULL) {
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || S_ISDIR(st.st_mode) || st.st_rdev != device)
			continue;
		unescape(entry->d_name, ret_name);
		return 0;
	}
	return -ENOENT;
}

/* --- which one it is --- */

static uint64_t number_from(const char *kind, const void *id, size_t len)
{
	uint8_t hash[HASH128_LEN];
	uint64_t number;

	hash_pair(kind, strlen(kind) + 1, id, len, hash, sizeof(hash));
	memcpy(&number, hash, sizeof(number));
	number &= INT64_MAX;
	return number > 0 ? number : 1;
}

static uint64_t number_of_fsid(const struct looking *l)
{
	static const char *const kept[] = {"ext2", "ext3", "ext4", "zfs"};
	const fsid_t none = {0};
	struct statfs fs;

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (strcmp(l->line->type, kept[i]) != 0)
			continue;
		if (fstatfs(l->fd, &fs) == 0 && memcmp(&fs.f_fsid, &none, sizeof(none)) != 0)
			return number_from("fsid", &fs.f_fsid, sizeof(fs.f_fsid));
	}
	return 0;
}

static uint64_t number_of_btrfs(const struct looking *l)
{
	_cleanup_(close_fd) int fd = -1;
	struct btrfs_ioctl_fs_info_args info = {0};
	char text[UUID_TEXT_LEN + 1];
	struct uuid uuid;

	if (strcmp(l->line->type, "btrfs") != 0)
		return 0;
	fd = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
		return 0;
	memcpy(uuid.bytes, info.fsid, sizeof(uuid.bytes));
	uuid_to_text(&uuid, text); /* as udev writes it */
	return number_from("uuid", text, strlen(text));
}

static uint64_t number_of_udev(const struct looking *l)
{
	char uuid[DISK_TEXT_MAX];

	if (l->device == 0 || disk_udev_name("/dev/disk/by-uuid", l->device, uuid) < 0)
		return 0;
	return number_from("uuid", uuid, strlen(uuid));
}

/* Of all places where the filesystem is mounted the one that shows most of it, and of those the first: the same for
 * all locations on it. */
static const struct mountinfo_line *main_mount(const struct looking *l)
{
	const struct mountinfo_line *found = l->line;

	for (size_t i = 0; i < l->mounts.count; i++) {
		const struct mountinfo_line *line = &l->mounts.lines[i];
		size_t len = strlen(line->root), least = strlen(found->root);

		if (line->major == l->line->major && line->minor == l->line->minor &&
		    (len < least || (len == least && line < found)))
			found = line;
	}
	return found;
}

static uint64_t number_of_mount(const struct looking *l)
{
	_cleanup_(free_ptr) char *text = NULL;
	int len = asprintf(&text, "%s\n%s\n%s", l->line->type, l->line->source, main_mount(l)->path);

	if (len < 0) {
		text = NULL;
		return 0;
	}
	return number_from("mount", text, (size_t)len);
}

static uint64_t number_of(const struct looking *l)
{
	uint64_t (*const ways[])(const struct looking *) = {number_of_fsid, number_of_btrfs, number_of_udev,
							    number_of_mount};
	uint64_t number = 0;

	for (size_t i = 0; number == 0 && i < sizeof(ways) / sizeof(*ways); i++)
		number = ways[i](l);
	return number;
}

/* --- what people call it --- */

static bool take_name(const char *text, size_t len, char ret_name[DISK_TEXT_MAX])
{
	if (!text_is_title(text, len))
		return false;
	memcpy(ret_name, text, len);
	ret_name[len] = '\0';
	return true;
}

/* The filesystem itself knows best; not all of them can be asked. */
static bool name_of_label(const struct looking *l, char ret_name[DISK_TEXT_MAX])
{
	_cleanup_(close_fd) int fd = -1;
	char label[FSLABEL_MAX + 1] = "", udev[DISK_TEXT_MAX];

	if (l->device == 0)
		return false;
	fd = openat(l->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, FS_IOC_GETFSLABEL, label) == 0)
		return take_name(label, strlen(label), ret_name);
	return disk_udev_name("/dev/disk/by-label", l->device, udev) == 0 && take_name(udev, strlen(udev), ret_name);
}

static void name_of(const struct looking *l, char ret_name[DISK_TEXT_MAX])
{
	const char *path = main_mount(l)->path, *last = strrchr(path, '/');

	if (name_of_label(l, ret_name))
		return;
	if (strcmp(path, "/") == 0)
		snprintf(ret_name, DISK_TEXT_MAX, "system disk");
	else if (!last || !take_name(last + 1, strlen(last + 1), ret_name))
		snprintf(ret_name, DISK_TEXT_MAX, "disk");
}

/* --- looking --- */

static void looking_release(struct looking *l)
{
	mountinfo_release(&l->mounts);
}

/* btrfs has no number of a device of its own, but says where it comes from. */
static dev_t device_of(const struct mountinfo_line *line)
{
	struct stat st;

	if (line->major != 0)
		return makedev(line->major, line->minor);
	if (strncmp(line->source, "/dev/", strlen("/dev/")) == 0 && stat(line->source, &st) == 0 && S_ISBLK(st.st_mode))
		return st.st_rdev;
	return 0;
}

static int look(int fd, struct looking *ret_looking)
{
	struct statx st;
	int r;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID))
		return -ENODATA;
	r = mountinfo_read(&ret_looking->mounts);
	if (r < 0)
		return r;
	ret_looking->fd = fd;
	ret_looking->line = mountinfo_by_id(&ret_looking->mounts, st.stx_mnt_id);
	if (!ret_looking->line)
		return -ENODATA;
	ret_looking->device = device_of(ret_looking->line);
	return 0;
}

int disk_look(int fd, struct disk *ret_disk)
{
	_cleanup_(looking_release) struct looking l = {.mounts = MOUNTINFO_INIT};
	struct statfs fs;
	int r = look(fd, &l);

	if (r < 0)
		return r;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	name_of(&l, ret_disk->name);
	snprintf(ret_disk->filesystem, sizeof(ret_disk->filesystem), "%s", l.line->type);
	ret_disk->volume = (struct volume){
	    .number = number_of(&l),
	    .name = ret_disk->name,
	    .filesystem = ret_disk->filesystem,
	    .capacity_bytes = (uint64_t)fs.f_blocks * (uint64_t)(fs.f_frsize > 0 ? fs.f_frsize : fs.f_bsize),
	};
	return ret_disk->volume.number > 0 ? 0 : -ENOMEM;
}

static bool is_on(const char *path, uint64_t number)
{
	_cleanup_(looking_release) struct looking l = {.mounts = MOUNTINFO_INIT};
	_cleanup_(close_fd) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && look(fd, &l) == 0 && number_of(&l) == number;
}

bool disk_is_around(const char *path, uint64_t number)
{
	_cleanup_(free_ptr) char *at = strdup(path);
	char *slash = at;

	while (slash) {
		if (is_on(*at ? at : "/", number))
			return true;
		slash = strrchr(at, '/');
		if (slash)
			*slash = '\0';
	}
	return false;
}
