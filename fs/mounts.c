#include "fs/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "fs/resolve.h"

#define TYPE "fuse.shelf" /* by the option "subtype" of fs/mount_options.c */

/* --- reading --- */

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' && at[2] <= '7';
}

/* Space, tab, newline and backslash are written as \ooo. In place. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (*text == '\\' && is_octal(text + 1)) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw" */
static int parse_line(char *text, struct mount_line *ret_line)
{
	struct mount_line line = { 0 };
	char *dash = strstr(text, " - "), *save = NULL, *root, *path;
	int at = 0;

	if (!dash || sscanf(text, "%u %u %u:%u %n", &line.id, &line.parent, &line.major, &line.minor, &at) != 4 || at == 0 ||
	    text + at > dash)
		return -ERR_MALFORMED;
	*dash = '\0';
	root = strtok_r(text + at, " ", &save);
	path = strtok_r(NULL, " ", &save);
	if (!root || !path)
		return -ERR_MALFORMED;
	unescape(root);
	unescape(path);
	line.root = root;
	line.path = path;
	line.is_shelf = strncmp(dash + 3, TYPE " ", strlen(TYPE " ")) == 0;
	*ret_line = line;
	return 0;
}

static int append(struct mounts *mounts, size_t *capacity, const struct mount_line *line)
{
	if (mounts->count == *capacity) {
		size_t grown = *capacity ? *capacity * 2 : 64;
		struct mount_line *lines = reallocarray(mounts->lines, grown, sizeof(*lines));
		if (!lines)
			return -ENOMEM;
		mounts->lines = lines;
		*capacity = grown;
	}
	mounts->lines[mounts->count++] = *line;
	return 0;
}

int mounts_parse(char *text, struct mounts *ret_mounts)
{
	_cleanup_(mounts_release) struct mounts mounts = { .text = text };
	size_t capacity = 0;
	char *save = NULL;

	for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		struct mount_line line;
		int r = parse_line(at, &line);
		if (r == 0)
			r = append(&mounts, &capacity, &line);
		if (r < 0)
			return r;
	}
	*ret_mounts = mounts;
	mounts = (struct mounts){ 0 };
	return 0;
}

int mounts_read(struct mounts *ret_mounts)
{
	char *text = NULL;
	size_t capacity = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	ssize_t n;

	if (!file)
		return -errno;
	n = getdelim(&text, &capacity, '\0', file); /* all of it */
	fclose(file);
	if (n < 0) {
		free(text);
		return -EIO;
	}
	return mounts_parse(text, ret_mounts);
}

void mounts_release(struct mounts *mounts)
{
	free(mounts->lines);
	free(mounts->text);
}

/* --- looking --- */

static bool is_listed(const struct mounts *mounts, unsigned id)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->lines[i].id == id)
			return true;
	return false;
}

static bool is_on(const struct mounts *mounts, const struct mount_line *line, const struct mount_line *under)
{
	if (under)
		return line->parent == under->id && line->id != under->id;
	return line->parent == line->id || !is_listed(mounts, line->parent);
}

/* The mount on `under` that a path meets first; NULL as `under`: on none that is listed. */
static const struct mount_line *next_on(const struct mounts *mounts, const struct mount_line *under, const char *path)
{
	const struct mount_line *found = NULL;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_line *line = &mounts->lines[i];
		if (resolve_after(path, line->path) && is_on(mounts, line, under) &&
		    (!found || strlen(line->path) < strlen(found->path)))
			found = line;
	}
	return found;
}

const struct mount_line *mounts_of(const struct mounts *mounts, const char *path)
{
	const struct mount_line *line = NULL, *next = next_on(mounts, NULL, path);

	for (size_t depth = 0; next && depth < mounts->count; depth++) {
		line = next;
		next = next_on(mounts, line, path);
	}
	return line;
}
