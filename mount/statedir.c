#include "mount/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mount/path.h"

static const char *const file_names[] = {"key", "anchor", "anchor.new", "run", "control.sock", "log", "log.1"};

static const char *home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home && home[0] == '/')
		return home;
	pw = getpwuid(geteuid());
	return pw && pw->pw_dir ? pw->pw_dir : "/";
}

int statedir_root(char **ret_path)
{
	const char *own = getenv("SHELF_STATE_DIR");
	const char *xdg = getenv("XDG_STATE_HOME");
	int n;

	if (own && own[0] != '\0')
		return path_absolute(own, ret_path);
	if (xdg && xdg[0] == '/') /* relative ones are to be ignored (XDG Base Directory Specification) */
		n = asprintf(ret_path, "%s/shelf", xdg);
	else
		n = asprintf(ret_path, "%s/.local/state/shelf", home());
	return n < 0 ? -ENOMEM : 0;
}

int statedir_library(const struct uuid *library, char **ret_path)
{
	_cleanup_(free_ptr) char *root = NULL;
	char id[UUID_TEXT_LEN + 1];
	int r = statedir_root(&root);

	if (r < 0)
		return r;
	uuid_to_text(library, id);
	return asprintf(ret_path, "%s/%s", root, id) < 0 ? -ENOMEM : 0;
}

int statedir_file(const struct uuid *library, const char *name, char **ret_path)
{
	_cleanup_(free_ptr) char *dir = NULL;
	int r = statedir_library(library, &dir);

	if (r < 0)
		return r;
	return asprintf(ret_path, "%s/%s", dir, name) < 0 ? -ENOMEM : 0;
}

int statedir_check(char **ret_root)
{
	_cleanup_(free_ptr) char *at = NULL;
	int r = statedir_root(ret_root);

	at = r == 0 ? strdup(*ret_root) : NULL;
	if (!at)
		return r < 0 ? r : -ENOMEM;
	while (access(at, F_OK) < 0 && errno == ENOENT && strchr(at + 1, '/'))
		*strrchr(at, '/') = '\0';
	return access(at, W_OK | X_OK) < 0 ? -errno : 0;
}

int statedir_make(const struct uuid *library)
{
	_cleanup_(free_ptr) char *path = NULL;
	int r = statedir_library(library, &path);

	if (r < 0)
		return r;
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		r = mkdir(path, 0700);
		*at = '/';
		if (r < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -errno;
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

void statedir_remove(const struct uuid *library)
{
	_cleanup_(free_ptr) char *dir = NULL;

	for (size_t i = 0; i < sizeof(file_names) / sizeof(file_names[0]); i++) {
		_cleanup_(free_ptr) char *file = NULL;

		if (statedir_file(library, file_names[i], &file) == 0)
			unlink(file);
	}
	if (statedir_library(library, &dir) == 0)
		rmdir(dir);
}

int statedir_each(int (*fn)(void *arg, const struct uuid *library), void *arg)
{
	_cleanup_(free_ptr) char *root = NULL;
	int r = statedir_root(&root);
	DIR *dir;

	if (r < 0)
		return r;
	dir = opendir(root);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *e = readdir(dir); e && r == 0; e = readdir(dir)) {
		struct uuid library;

		if (uuid_from_text(e->d_name, &library) == 0)
			r = fn(arg, &library);
	}
	closedir(dir);
	return r;
}
