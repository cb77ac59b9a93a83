#include "mount/mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mount/path.h"

static int octal(const char *at)
{
	int value = 0;

	for (int i = 0; i < 3; i++) {
		if (at[i] < '0' || at[i] > '7')
			return -1;
		value = value * 8 + (at[i] - '0');
	}
	return value;
}

/* Space, tab, newline and backslash are written as \ooo. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		int value = *at == '\\' ? octal(at + 1) : -1;

		if (value > 0)
			at += 3;
		*to++ = value > 0 ? (char)value : *at;
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw" */
static int parse_line(char *text, struct mountinfo_line *ret_line)
{
	_cleanup_(free_ptr) char *path = NULL;
	char *save = NULL;
	char *dash = strstr(text, " - ");
	char *field, *type;
	unsigned major, minor;

	if (!dash || sscanf(text, "%*u %*u %u:%u", &major, &minor) != 2)
		return -ERR_MALFORMED;
	*dash = '\0';
	field = strtok_r(text, " ", &save);
	for (int i = 0; field && i < 4; i++)
		field = strtok_r(NULL, " ", &save);
	type = strtok_r(dash + 3, " ", &save);
	if (!field || !type)
		return -ERR_MALFORMED;
	path = strdup(field);
	type = strdup(type);
	if (!path || !type) {
		free(type);
		return -ENOMEM;
	}
	unescape(path);
	*ret_line = (struct mountinfo_line){.path = TAKE_PTR(path), .type = type, .major = major, .minor = minor};
	return 0;
}

static int append(struct mountinfo *info, const struct mountinfo_line *line)
{
	struct mountinfo_line *lines = reallocarray(info->lines, info->count + 1, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	lines[info->count++] = *line;
	info->lines = lines;
	return 0;
}

int mountinfo_parse(const char *text, struct mountinfo *ret_info)
{
	_cleanup_(free_ptr) char *copy = strdup(text);
	_cleanup_(mountinfo_release) struct mountinfo info = MOUNTINFO_INIT;
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *at = strtok_r(copy, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		struct mountinfo_line line;
		int r = parse_line(at, &line);

		if (r < 0)
			return r;
		r = append(&info, &line);
		if (r < 0) {
			free(line.path);
			free(line.type);
			return r;
		}
	}
	*ret_info = info;
	info = MOUNTINFO_INIT;
	return 0;
}

int mountinfo_read(struct mountinfo *ret_info)
{
	_cleanup_(free_ptr) char *text = NULL;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	size_t capacity = 0;
	ssize_t n;
	int r;

	if (!file)
		return -errno;
	n = getdelim(&text, &capacity, '\0', file); /* all of it */
	r = n < 0 ? -EIO : 0;
	fclose(file);
	return r < 0 ? r : mountinfo_parse(text, ret_info);
}

void mountinfo_release(struct mountinfo *info)
{
	for (size_t i = 0; i < info->count; i++) {
		free(info->lines[i].path);
		free(info->lines[i].type);
	}
	free(info->lines);
	*info = MOUNTINFO_INIT;
}

const struct mountinfo_line *mountinfo_at(const struct mountinfo *info, const char *path)
{
	const struct mountinfo_line *found = NULL;

	for (size_t i = 0; i < info->count; i++) {
		if (strcmp(info->lines[i].path, path) == 0)
			found = &info->lines[i];
	}
	return found;
}

const struct mountinfo_line *mountinfo_of(const struct mountinfo *info, const char *path)
{
	const struct mountinfo_line *found = NULL;

	for (size_t i = 0; i < info->count; i++) {
		if (!path_is_below(path, info->lines[i].path))
			continue;
		if (!found || strlen(info->lines[i].path) >= strlen(found->path))
			found = &info->lines[i];
	}
	return found;
}
