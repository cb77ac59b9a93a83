/* The shape of a measured tree: `dirs` directories of `files` files each, all with computed names, so that the maker of
 * a real tree, the in-memory tree and the tagger agree without a list. dirs = 0 puts the files into the root. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHAPE_NAME_MAX 32

struct shape {
	uint32_t dirs;
	uint32_t files; /* in each */
};

/* "1000x99", "0x100000". Returns 0, or -1 when it is no shape. */
static inline int shape_parse(const char *text, struct shape *ret_shape)
{
	char end;

	return sscanf(text, "%ux%u%c", &ret_shape->dirs, &ret_shape->files, &end) == 2 && ret_shape->files > 0 ? 0 : -1;
}

static inline void shape_dir_name(uint32_t dir, char ret_name[SHAPE_NAME_MAX])
{
	snprintf(ret_name, SHAPE_NAME_MAX, "d%06u", dir);
}

/* The names of different directories differ, so that all can be tagged with one tag. */
static inline void shape_file_name(uint32_t dir, uint32_t file, char ret_name[SHAPE_NAME_MAX])
{
	uint32_t mixed = (dir * 0x9e3779b1u) ^ (file * 0x85ebca6bu) ^ (dir << 16);

	snprintf(ret_name, SHAPE_NAME_MAX, "f%06u_%08x.dat", file, mixed);
}

/* The number in a name made by one of the above; -1 when it was not. */
static inline int64_t shape_number(const char *name, char kind)
{
	char *end;

	if (name[0] != kind || name[1] < '0' || name[1] > '9')
		return -1;
	long n = strtol(name + 1, &end, 10);
	return end == name + 7 ? n : -1;
}
