/* Where something is mounted, as /proc/self/mountinfo says (proc(5)): reading it touches no mount, so the daemon learns from
 * it where its own mount is, also through bind mounts, without calling itself. Internal to fs/. Threads: one for a table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct mount_line {
	unsigned id, parent;
	unsigned major, minor; /* of the filesystem: the same for all places where it is mounted */
	const char *root;      /* what of the filesystem is shown there; borrowed from the table */
	const char *path;      /* the mount point; borrowed from the table */
	bool is_shelf;         /* of the type of our mounts */
};

struct mounts {
	char *text;               /* owned */
	struct mount_line *lines; /* owned */
	size_t count;
};

/* `ret_mounts` is empty before. Errors: errno, -ENOMEM, -ERR_MALFORMED. */
int mounts_read(struct mounts *ret_mounts);
int mounts_parse(char *text, struct mounts *ret_mounts); /* takes the text of such a file, also on failure */
void mounts_release(struct mounts *mounts);

/* The mount that a normal path lies in, if no symlink is in it; mounts that are hidden below others do not count.
 * NULL: not known. */
const struct mount_line *mounts_of(const struct mounts *mounts, const char *path);
