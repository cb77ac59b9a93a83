/* Compares what was seen in a directory with its rows, and writes the difference.
 *
 * A name that has a row keeps it, whatever inode it has now: so a file that an editor wrote anew keeps its identity. A
 * new name continues the row of the same inode if that one's name has vanished (kin.h), else it gets a row of its own.
 * Rows whose names were not seen are only reported: vanish.h deals with them after everything that was seen. Threads:
 * the index thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "index/dir.h"
#include "store/store.h"

struct reconcile {
	/* A row whose name was not seen in `dir`, or that a row in it has taken the place of. */
	void (*vanished)(void *arg, struct dir *dir, int64_t row);
	/* A directory that is not where its row says. */
	void (*stray)(void *arg, int64_t dir);
	/* A row had this inode, and its name has another one now. If the file was changed under that name before, no
	 * event tells of its other names. */
	void (*unlinked)(void *arg, struct dir *dir, struct db *db, uint64_t ino, int64_t row);
	void *arg;
};

/* Sets the step of each item of dir->listing; writes nothing. `changes`: whether any is to be done, and whether one is
 * a new directory. Errors: store/ errors, -ENOMEM. */
struct reconcile_changes {
	bool any;
	bool new_dirs;
};
int reconcile_compare(struct db *db, const struct reconcile *reconcile, struct dir *dir,
		      struct reconcile_changes *ret_changes);

/* Does the steps from *item on, until all are done (0) or the transaction should end (1). With `only_dirs` only new
 * directories: these go first, so that what was moved along with one keeps its place. Steps are marked as done with the
 * row that the name has now; *steps counts those of this transaction. Errors: store/ errors, and any other that one
 * step comes to: that of *item, or of the directory's own row if *item is the number of items. Nothing of the
 * transaction may be committed then, and the steps must be compared anew. */
int reconcile_apply(struct txn *txn, const struct reconcile *reconcile, struct dir *dir, bool only_dirs, size_t *item,
		    size_t *steps);

/* Notes that a step failed with an error that would come again (retry.h). The first time it is compared anew and done
 * without taking over pairs; after that it is passed over: true. */
bool reconcile_fault(struct dir *dir, size_t item);
