/* The thread that moves committed pages from the WAL into the database, so that no commit has to. Internal to store/.
 *
 * It wakes when enough pages were written, or when writing has paused, runs at low CPU and I/O priority, and also has
 * the log cut (oplog_cut), and empties deleted locations in slices: after commits, and soon after its start, as the last process
 * may have been killed between two. Threads: checkpoint_note is called by the holder of the gate, the others by the opener. */
#pragma once

#include <stdbool.h>

struct checkpoint;
struct store;

int checkpoint_start(struct store *store, struct checkpoint **ret_checkpoint);
/* After a commit that wrote something: `frames` is the length of the WAL in pages. */
void checkpoint_note(struct checkpoint *checkpoint, int frames);
/* Has `fn` called on the thread when it has moved pages, at most every two seconds: for what shall follow the catalogue
 * lazily. NULL ends that, and returns when no call is under way any more. */
void checkpoint_on_rest(struct checkpoint *checkpoint, void (*fn)(void *arg), void *arg);
/* Waits for a run under way, ends the thread and frees. NULL does nothing. */
void checkpoint_stop(struct checkpoint *checkpoint);
