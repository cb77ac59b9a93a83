/* The disk that a directory lies on: which one it is, what people call it, how large it is.
 *
 * Its number is the same whenever the disk comes back, also on another port or after a reboot. It is a hash of what the
 * filesystem has of its own:
 *   ext2, ext3, ext4, zfs   f_fsid of statfs(2), which these make of their UUID (zfs: of each dataset's id)
 *   btrfs                   its UUID, by ioctl: f_fsid differs between subvolumes of one disk
 *   others on a disk        the UUID that udev found (/dev/disk/by-uuid): xfs, f2fs, FAT, exFAT, NTFS ... make f_fsid of
 *                           the number of the device, which the next one that is plugged in may get
 *   all else                type, source and mount point: network shares, FUSE, tmpfs and overlay (which make an id anew
 *                           at each mount), and a disk where nobody tells UUIDs, as in a container without udev
 * A copy of a whole disk, UUID and all, has the number of its original.
 *
 * Nothing here needs root. May block as the filesystem does. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/volume.h"

#define DISK_TEXT_MAX 256 /* bytes, with the NUL */

struct disk {
	struct volume volume; /* its texts are in this struct: not to be copied */
	char name[DISK_TEXT_MAX];
	char filesystem[DISK_TEXT_MAX];
};

/* The one of a directory that is open, also with O_PATH. Its name is the filesystem's label, else the last component of
 * its mount point. Errors: errno, -ENODATA (the kernel does not say what is mounted there). */
int disk_look(int fd, struct disk *ret_disk);

/* Whether the folder at `path`, or one that it is in, lies on the disk of that number: then the disk is there, whatever
 * became of the folder. */
bool disk_is_around(const char *path, uint64_t number);

/* What udev calls a block device in one of its folders of symlinks (/dev/disk/by-label), unescaped. Errors: -ENOENT. */
int disk_udev_name(const char *folder, dev_t device, char ret_name[DISK_TEXT_MAX]);
