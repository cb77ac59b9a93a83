#include "tests/net/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/test.h"

static const char *folder(void)
{
	const char *named = getenv("SHELF_VECTORS");

	return named ? named : VECTORS_FOLDER;
}

int vectors_check(void)
{
	if (access(folder(), R_OK) == 0)
		return 0;
	fprintf(stderr, "SKIPPED: no vectors in %s: set SHELF_VECTORS to their folder\n", folder());
	return 77;
}

struct json *vectors_load(const char *name)
{
	struct json *root;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder(), name);
	root = json_load(path);
	if (!root)
		fail_msg("cannot read %s", path);
	return root;
}
