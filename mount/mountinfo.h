/* What is mounted where, from /proc/self/mountinfo (proc(5)). Reading it touches no mount, so it is safe on dead ones.
 * Threads: one at a time for one list. Errors: errno, -ENOMEM, -ERR_MALFORMED. */
#pragma once

#include <stddef.h>

struct mountinfo_line {
	char *path;	       /* the mount point, absolute, unescaped */
	char *type;	       /* "ext4", "fuse.shelf" */
	unsigned major, minor; /* of the filesystem: the same for all places where it is mounted */
};

struct mountinfo {
	struct mountinfo_line *lines; /* owned; in the order of mounting */
	size_t count;
};

#define MOUNTINFO_INIT	((struct mountinfo){0})
#define MOUNTINFO_SHELF "fuse.shelf" /* the type of our own mounts */

int mountinfo_read(struct mountinfo *ret_info);
int mountinfo_parse(const char *text, struct mountinfo *ret_info); /* the whole text of such a file */
void mountinfo_release(struct mountinfo *info);

/* What is mounted exactly there, the topmost; NULL: nothing. */
const struct mountinfo_line *mountinfo_at(const struct mountinfo *info, const char *path);

/* The mount that an absolute, resolved path lies in; NULL only for an empty list. */
const struct mountinfo_line *mountinfo_of(const struct mountinfo *info, const char *path);
