#include "base/mountinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

/* --- reading --- */

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' && at[2] <= '7';
}

/* Space, tab, newline and backslash are written as \ooo. In place; returns it. */
static char *unescape(char *text)
{
	char *to = text, *at = text;

	while (*at) {
		if (*at == '\\' && is_octal(at + 1)) {
			*to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 4;
		} else {
			*to++ = *at++;
		}
	}
	*to = '\0';
	return text;
}

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw" */
static int parse_line(char *text, struct mountinfo_line *ret_line)
{
	struct mountinfo_line line = {0};
	char *dash = strstr(text, " - "), *save = NULL, *after, *root, *path, *type, *source;
	int at = 0;

	if (!dash ||
	    sscanf(text, "%u %u %u:%u %n", &line.id, &line.parent, &line.major, &line.minor, &at) != 4 || at == 0 ||
	    text + at > dash)
		return -ERR_MALFORMED;
	*dash = '\0';
	after = dash + 3;
	root = strtok_r(text + at, " ", &save);
	path = strtok_r(NULL, " ", &save);
	type = strsep(&after, " ");
	source = strsep(&after, " "); /* may be empty */
	if (!root || !path || !*type || !source)
		return -ERR_MALFORMED;
	line.root = unescape(root);
	line.path = unescape(path);
	line.type = unescape(type);
	line.source = unescape(source);
	*ret_line = line;
	return 0;
}

static int append(struct mountinfo *info, size_t *capacity, const struct mountinfo_line *line)
{
	if (info->count == *capacity) {
		size_t grown = *capacity ? *capacity * 2 : 64;
		struct mountinfo_line *lines = reallocarray(info->lines, grown, sizeof(*lines));

		if (!lines)
			return -ENOMEM;
		info->lines = lines;
		*capacity = grown;
	}
	info->lines[info->count++] = *line;
	return 0;
}

int mountinfo_parse(char *text, struct mountinfo *ret_info)
{
	_cleanup_(mountinfo_release) struct mountinfo info = {.text = text};
	size_t capacity = 0;
	char *save = NULL;

	if (!text)
		return -ENOMEM;
	for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		struct mountinfo_line line;
		int r = parse_line(at, &line);

		if (r == 0)
			r = append(&info, &capacity, &line);
		if (r < 0)
			return r;
	}
	*ret_info = info;
	info = MOUNTINFO_INIT;
	return 0;
}

int mountinfo_read(struct mountinfo *ret_info)
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
	return mountinfo_parse(text, ret_info);
}

void mountinfo_release(struct mountinfo *info)
{
	free(info->lines);
	free(info->text);
	*info = MOUNTINFO_INIT;
}

/* --- looking --- */

const struct mountinfo_line *mountinfo_at(const struct mountinfo *info, const char *path)
{
	const struct mountinfo_line *found = NULL;

	for (size_t i = 0; i < info->count; i++)
		if (strcmp(info->lines[i].path, path) == 0)
			found = &info->lines[i];
	return found;
}

const struct mountinfo_line *mountinfo_by_id(const struct mountinfo *info, uint64_t id)
{
	for (size_t i = 0; i < info->count; i++)
		if (info->lines[i].id == id)
			return &info->lines[i];
	return NULL;
}

static bool is_below(const char *path, const char *above)
{
	size_t len = strcmp(above, "/") == 0 ? 0 : strlen(above);

	return strncmp(path, above, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool is_on(const struct mountinfo *info, const struct mountinfo_line *line, const struct mountinfo_line *under)
{
	if (under)
		return line->parent == under->id && line->id != under->id;
	return line->parent == line->id || !mountinfo_by_id(info, line->parent);
}

/* The mount on `under` that a path meets first; NULL as `under`: on none that is listed. */
static const struct mountinfo_line *next_on(const struct mountinfo *info, const struct mountinfo_line *under,
					    const char *path)
{
	const struct mountinfo_line *found = NULL;

	for (size_t i = 0; i < info->count; i++) {
		const struct mountinfo_line *line = &info->lines[i];

		if (is_below(path, line->path) && is_on(info, line, under) &&
		    (!found || strlen(line->path) < strlen(found->path)))
			found = line;
	}
	return found;
}

const struct mountinfo_line *mountinfo_of(const struct mountinfo *info, const char *path)
{
	const struct mountinfo_line *line = NULL, *next = next_on(info, NULL, path);

	for (size_t depth = 0; next && depth < info->count; depth++) {
		line = next;
		next = next_on(info, line, path);
	}
	return line;
}
