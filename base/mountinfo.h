/* What is mounted where, from /proc/self/mountinfo (proc(5)). Reading it touches no mount, so it is safe on dead ones,
 * and for a daemon that must not call itself. Threads: one at a time for one list. Errors: errno, -ENOMEM,
 * -ERR_MALFORMED. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct mountinfo_line { /* texts are unescaped, and borrowed from the list */
	unsigned id, parent;
	unsigned major, minor; /* of the filesystem: the same for all places where it is mounted */
	const char *root;      /* what of the filesystem is shown there */
	const char *path;      /* the mount point, absolute */
	const char *type;      /* "ext4", "fuse.sshfs" */
	const char *source;    /* "/dev/sda1", "nas:/photos", "tmpfs": what the filesystem likes to say */
};

struct mountinfo {
	char *text;		      /* owned */
	struct mountinfo_line *lines; /* owned; in the order of mounting */
	size_t count;
};

#define MOUNTINFO_INIT ((struct mountinfo){0})

/* `ret_info` is empty before. */
int mountinfo_read(struct mountinfo *ret_info);
int mountinfo_parse(char *text, struct mountinfo *ret_info); /* takes the text of such a file, also on failure */
void mountinfo_release(struct mountinfo *info);

/* What is mounted exactly there, the topmost; NULL: nothing. */
const struct mountinfo_line *mountinfo_at(const struct mountinfo *info, const char *path);

/* The mount that a normal absolute path ("" is "/") lies in, if no symlink is in it; mounts that are hidden below others
 * do not count. NULL: not known. */
const struct mountinfo_line *mountinfo_of(const struct mountinfo *info, const char *path);

/* By statx(2)'s stx_mnt_id. NULL: not known. */
const struct mountinfo_line *mountinfo_by_id(const struct mountinfo *info, uint64_t id);
