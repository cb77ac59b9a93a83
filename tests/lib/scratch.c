#include "tests/lib/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int scratch_init(struct scratch *s)
{
	const char *parent = getenv("TMPDIR");
	int n = snprintf(s->path, sizeof(s->path), "%s/shelf-test-XXXXXX", parent ? parent : "/tmp");

	if (n < 0 || (size_t)n >= sizeof(s->path))
		return -ENAMETOOLONG;
	return mkdtemp(s->path) ? 0 : -errno;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void scratch_release(struct scratch *s)
{
	nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *scratch_path(const struct scratch *s, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", s->path, name) < 0 ? NULL : path;
}

int scratch_count(const struct scratch *s)
{
	DIR *dir = opendir(s->path);
	int count = 0;

	if (!dir)
		return -errno;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return count;
}

int scratch_write(const struct scratch *s, const char *name, const void *data, size_t len, unsigned mode)
{
	_cleanup_(free_ptr) char *path = scratch_path(s, name);
	_cleanup_(close_fd) int fd = -1;

	if (!path)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, data, len) != (ssize_t)len)
		return -EIO;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}
