#include "mount/path.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static int join(const char *above, const char *name, char **ret_path)
{
	const char *slash = above[0] == '/' && above[1] == '\0' ? "" : "/";

	return asprintf(ret_path, "%s%s%s", above, slash, name) < 0 ? -ENOMEM : 0;
}

static int copy(const char *path, char **ret_path)
{
	*ret_path = strdup(path);
	return *ret_path ? 0 : -ENOMEM;
}

int path_absolute(const char *path, char **ret_path)
{
	_cleanup_(free_ptr) char *cwd = NULL;

	if (path[0] == '/')
		return copy(path, ret_path);
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return -errno;
	return join(cwd, path, ret_path);
}

/* The folder above resolved, the last name as it is. */
static int resolve_above(const char *path, char **ret_path)
{
	_cleanup_(free_ptr) char *for_dirname = strdup(path); /* both write into what they get */
	_cleanup_(free_ptr) char *for_basename = strdup(path);
	_cleanup_(free_ptr) char *above = NULL;

	if (!for_dirname || !for_basename)
		return -ENOMEM;
	above = realpath(dirname(for_dirname), NULL);
	if (!above)
		return path_absolute(path, ret_path);
	return join(above, basename(for_basename), ret_path);
}

int path_canonical(const char *path, char **ret_path)
{
	char *resolved = realpath(path, NULL);

	if (resolved) {
		*ret_path = resolved;
		return 0;
	}
	return resolve_above(path, ret_path);
}

static bool means_the_folder_itself(const char *base)
{
	return base[0] == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0;
}

static bool begins_as_in_a_mount(const char *path)
{
	static const char *const tops[] = {"devices/", "tags/", "albums/", "favorites/"};

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		if (strncmp(path, tops[i], strlen(tops[i])) == 0)
			return true;
	}
	return false;
}

int path_of_file(const char *path, char **ret_path)
{
	struct stat st;

	if (means_the_folder_itself(path_base(path)))
		return path_canonical(path, ret_path);
	if (begins_as_in_a_mount(path) && lstat(path, &st) < 0)
		return copy(path, ret_path);
	return resolve_above(path, ret_path);
}

int path_above(const char *path, char **ret_path)
{
	_cleanup_(free_ptr) char *writable = strdup(path);

	return writable ? copy(dirname(writable), ret_path) : -ENOMEM;
}

bool path_is_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	if (strncmp(path, above, len) != 0)
		return false;
	return path[len] == '\0' || path[len] == '/' || (len > 0 && above[len - 1] == '/');
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
