/* A few threads that run jobs from one queue: the readers of directories. Knows nothing of directories.
 *
 * Jobs are embedded in the caller's structs. What is done waits to be taken; when the done ones weigh too much, the
 * threads pause, so memory stays bounded however far the taker is behind. Threads: push and pop by one owner. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define FANOUT_WEIGHT_MAX (8 * 1024 * 1024) /* bytes of results that may wait */

enum fanout_state { FANOUT_NONE, FANOUT_QUEUED, FANOUT_RUNNING, FANOUT_DONE };

struct fanout_job {
	struct fanout_job *next;
	size_t weight;	  /* bytes of its result: set by `run` */
	bool urgent;	  /* goes before those that are not, in both queues */
	atomic_int state; /* enum fanout_state */
};

struct fanout;

/* `run` is called on a thread of the pool with each job; `wake` when a job is done and none was waiting to be taken. */
struct fanout_opts {
	unsigned threads;
	int nice; /* of the threads, setpriority(2); 0 = as the process */
	void (*run)(void *arg, struct fanout_job *job);
	void (*wake)(void *arg);
	void *arg;
};

int fanout_new(const struct fanout_opts *opts, struct fanout **ret_fanout);

void fanout_push(struct fanout *fanout, struct fanout_job *job);

/* The next job that is done, NULL when there is none now. */
struct fanout_job *fanout_pop(struct fanout *fanout);

/* Ends the threads when their present jobs are done; those that wait stay queued. */
void fanout_stop(struct fanout *fanout);

/* After fanout_stop: the jobs that were not done or not taken, one at each call, NULL at the end. */
struct fanout_job *fanout_drain(struct fanout *fanout);

void fanout_free(struct fanout *fanout); /* stopped and drained. NULL does nothing */
