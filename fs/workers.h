/* The threads that take requests from the kernel and have them answered. Internal to the adapter.
 *
 * libfuse's own loop cannot be woken to end (before 3.18) and takes the size of stacks from the environment; this one
 * uses the same two calls. Threads: as said. */
#pragma once

#include "fs/ops.h"

struct workers;

int workers_new(struct fuse_session *fuse, struct workers **ret_workers); /* `fuse` is borrowed, mounted */
void workers_free(struct workers *workers); /* they have ended or were never started. NULL does nothing */

/* Starts the first thread; others follow when all are busy. Returns 0 and starts nothing after workers_stop. */
int workers_start(struct workers *workers);

/* Blocks until workers_stop was called, the filesystem was unmounted, or the device failed. They still work then. */
void workers_wait(struct workers *workers);

/* Ends all threads: each finishes the request that it has. What is in the kernel's queue stays unanswered until the
 * device is closed. Returns 0, or the error of the device. */
int workers_end(struct workers *workers);

/* Any thread, any time, also in a signal handler. */
void workers_stop(struct workers *workers);
