/* The published vectors: in the folder that $SHELF_VECTORS names, or beside the source tree. */
#pragma once

#include "tests/lib/json.h"

/* What main() returns: 0, or 77 (meson: skipped) where there is no such folder, which is said then. */
int vectors_check(void);

struct json *vectors_load(const char *name); /* the file `name` below the folder, which must be there */
