/* The write gate: one writer at a time, interactive ones before bulk ones. Internal to store/.
 *
 * Leaving hands the gate over to a waiter, if there is one, so nobody who comes later can barge in: bulk writers that
 * leave and come back at once still let each other through. Threads: any. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct gate_class {
	pthread_cond_t cond;
	atomic_uint waiting; /* written under the lock; read anywhere */
	bool handed;         /* the gate was left to this class and nobody has taken it yet */
};

struct gate {
	pthread_mutex_t lock; /* guards all below */
	bool held;
	pthread_t owner; /* while held and not handed */
	struct gate_class classes[2]; /* by store_priority */
};

int gate_init(struct gate *gate);
void gate_release(struct gate *gate);

/* Waits for the gate until `deadline_ns` (monotonic). Not reentrant. Errors: -EAGAIN. */
int gate_enter(struct gate *gate, enum store_priority priority, uint64_t deadline_ns);
void gate_leave(struct gate *gate);
bool gate_is_wanted(const struct gate *gate); /* an interactive writer waits */
