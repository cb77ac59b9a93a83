/* Verifies the catalogue and rebuilds what can be rebuilt (`shelf check`). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct check_opts {
	bool repair;
	bool quick; /* skip what reads all rows: SQLite's own integrity check, and counting the digests anew */
	void (*say)(void *arg, bool problem, const char *line); /* findings, and what was repaired */
	void *arg;
};

/* Both databases (integrity_check), the tree (parents, cycles, places that two live entries hold, rows of deleted
 * locations), the disks that locations refer to, registers and names of collections and pairs, the log (oplog_verify), positions, digests.
 * ret_problems counts findings that remain. Errors: only when the check itself could not run. */
int store_check(struct store *store, const struct check_opts *opts, uint64_t *ret_problems);
