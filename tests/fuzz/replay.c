/* Feeds every file of a folder to a fuzz target: `replay_TARGET FOLDER`. Fails when the folder holds none. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"

static int replay_file(int folder, const char *name)
{
	_cleanup_(close_fd) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	_cleanup_(free_ptr) uint8_t *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		return -1;
	printf("%s\n", name);
	fflush(stdout); /* the last line names the one that crashed */
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;

	if (!folder) {
		fprintf(stderr, "usage: replay_TARGET FOLDER\n");
		return 2;
	}
	for (struct dirent *e = readdir(folder); e; e = readdir(folder)) {
		int r = replay_file(dirfd(folder), e->d_name);

		if (r < 0) {
			perror(e->d_name);
			return 1;
		}
		count += r;
	}
	closedir(folder);
	return count > 0 ? 0 : 1;
}
