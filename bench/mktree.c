/* Makes a real tree of a given shape: mktree DIR SHAPE [BYTES]. DIR must not exist. Each file has BYTES bytes (0), all
 * different, so that content ids differ. */
#include <err.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/shape.h"

static void make_file(int dir_fd, const char *name, char *content, size_t bytes, uint32_t dir, uint32_t file)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		err(1, "%s", name);
	if (bytes >= 2 * sizeof(uint32_t)) {
		memcpy(content, &dir, sizeof(dir));
		memcpy(content + sizeof(dir), &file, sizeof(file));
	}
	if (bytes > 0 && write(fd, content, bytes) != (ssize_t)bytes)
		err(1, "%s", name);
	close(fd);
}

static void make_files(int dir_fd, const struct shape *shape, uint32_t dir, char *content, size_t bytes)
{
	char name[SHAPE_NAME_MAX];

	for (uint32_t file = 0; file < shape->files; file++) {
		shape_file_name(dir, file, name);
		make_file(dir_fd, name, content, bytes, dir, file);
	}
}

static int make_dir(int parent_fd, const char *name)
{
	if (mkdirat(parent_fd, name, 0755) < 0)
		err(1, "%s", name);
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

int main(int argc, char **argv)
{
	struct shape shape;
	char name[SHAPE_NAME_MAX];

	if (argc < 3 || argc > 4 || shape_parse(argv[2], &shape) < 0)
		errx(2, "usage: mktree DIR SHAPE [BYTES]");
	size_t bytes = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	char *content = calloc(1, bytes + 1);
	int root = make_dir(AT_FDCWD, argv[1]);

	if (shape.dirs == 0)
		make_files(root, &shape, 0, content, bytes);
	for (uint32_t dir = 0; dir < shape.dirs; dir++) {
		shape_dir_name(dir, name);
		int fd = make_dir(root, name);
		make_files(fd, &shape, dir, content, bytes);
		close(fd);
	}
	free(content);
	return 0;
}
