/* Columns for people: cells are gathered, then printed with each column as wide as its widest cell. Threads: one. */
#pragma once

#include "base/buf.h"
#include "mount/out.h"

#define TABLE_COLUMNS_MAX 8

struct table {
	int columns;	/* set by the caller, like the next two */
	unsigned right; /* bit i: column i is aligned to its right */
	const char *indent;
	struct buf text; /* owned; the cells, each with a NUL */
	size_t cells;
};

void table_cell(struct table *table, const char *text); /* names are escaped for a terminal; nowhere else */
void table_print(struct table *table, struct out *out); /* whole rows only */
void table_release(struct table *table);
