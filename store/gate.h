/* The write gate: one writer at a time, interactive ones before bulk ones, each kind in the order of arrival. Internal
 * to store/.
 *
 * Leaving hands the gate over to the first waiter, if there is one, so nobody who comes later can barge in: bulk
 * writers that leave and come back at once still let each other through. Threads: any. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct gate_waiter; /* on the stack of the thread that waits */

struct gate_queue {
	struct gate_waiter *first;
	atomic_uint length; /* written under the lock; read anywhere */
};

struct gate {
	pthread_mutex_t lock;	     /* guards all below */
	bool held;		     /* also while it is handed to a waiter that has not woken up yet */
	pthread_t owner;	     /* while held */
	struct gate_queue queues[2]; /* by store_priority */
};

void gate_init(struct gate *gate);
void gate_release(struct gate *gate);

/* Waits for the gate until `deadline_ns` (monotonic). Not reentrant. Errors: -EAGAIN. */
int gate_enter(struct gate *gate, enum store_priority priority, uint64_t deadline_ns);
void gate_leave(struct gate *gate);
bool gate_is_wanted(const struct gate *gate); /* an interactive writer waits */
