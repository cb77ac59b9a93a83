/* Tags from one process by symlink(2): tagger TAG PREFIX SHAPE COUNT makes COUNT links in the directory TAG to
 * PREFIX/DIR/FILE, one after another, and prints the seconds. */
#include <err.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "bench/shape.h"

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct shape shape;
	char dir_name[SHAPE_NAME_MAX] = ".", name[SHAPE_NAME_MAX], target[PATH_MAX];

	if (argc != 5 || shape_parse(argv[3], &shape) < 0)
		errx(2, "usage: tagger TAG PREFIX SHAPE COUNT");
	uint32_t count = (uint32_t)strtoul(argv[4], NULL, 10);
	if (chdir(argv[1]) < 0)
		err(1, "%s", argv[1]);
	double start = seconds();
	for (uint32_t i = 0; i < count; i++) {
		uint32_t dir = i / shape.files, file = i % shape.files;
		if (shape.dirs)
			shape_dir_name(dir, dir_name);
		shape_file_name(dir, file, name);
		snprintf(target, sizeof(target), "%s/%s/%s", argv[2], dir_name, name);
		if (symlink(target, name) < 0)
			err(1, "%s", target);
	}
	printf("%.6f\n", seconds() - start);
	return 0;
}
