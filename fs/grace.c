/* Two counters of handlers, one for each phase, spread over slots so that threads do not share cache lines; the scheme of
 * sleepable RCU (McKenney, "Sleepable Read-Copy Update", 2006).
 *
 * A handler counts itself in the present phase and leaves where it entered. A waiter turns the phase, so that the old one
 * gets no more newcomers and must run empty, waits for that, and does the same with the other phase. A handler that was in
 * before the waiter came is counted in one of the two, and both have been seen empty since. A handler that had read the
 * phase and counts itself late, in the old one, entered after the waiter came: it is not waited for or for nothing, and
 * there are never more of those than threads.
 *
 * The counters are sequentially consistent: a handler is seen here before it reads the catalogue, and a waiter comes after
 * the commit. Between the two lies the lock that SQLite takes to begin a read, a system call.
 *
 * A waiter sleeps and looks again, instead of being woken: a wake-up would cost each handler a check at its end, while the
 * notifier loses at most a millisecond, and handlers take microseconds. */
#include "fs/grace.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { SLOTS = 64, CACHE_LINE = 64, PAUSE_FIRST_NS = 50000, PAUSE_MAX_NS = 1000000 };

struct slot {
	alignas(CACHE_LINE) atomic_uint inside[2]; /* handlers, by the phase in which they entered */
};

struct grace {
	pthread_mutex_t lock; /* one waiter at a time */
	atomic_uint phase;    /* 0 or 1; written by the waiter */
	struct slot slots[SLOTS];
};

int grace_new(struct grace **ret_grace)
{
	struct grace *grace = aligned_alloc(alignof(struct grace), sizeof(*grace));
	int r;

	if (!grace)
		return -ENOMEM;
	r = pthread_mutex_init(&grace->lock, NULL);
	if (r != 0) {
		free(grace);
		return -r;
	}
	atomic_init(&grace->phase, 0);
	for (unsigned i = 0; i < SLOTS; i++) {
		atomic_init(&grace->slots[i].inside[0], 0);
		atomic_init(&grace->slots[i].inside[1], 0);
	}
	*ret_grace = grace;
	return 0;
}

void grace_free(struct grace *grace)
{
	if (!grace)
		return;
	pthread_mutex_destroy(&grace->lock);
	free(grace);
}

/* Threads are numbered as they come; those that meet in a slot share its counters. */
static unsigned slot_of_thread(void)
{
	static atomic_uint threads;
	static _Thread_local unsigned number; /* from 1; 0: none yet */

	if (number == 0)
		number = atomic_fetch_add(&threads, 1) % SLOTS + 1;
	return number - 1;
}

unsigned grace_enter(struct grace *grace)
{
	unsigned slot = slot_of_thread();
	unsigned phase = atomic_load(&grace->phase);

	atomic_fetch_add(&grace->slots[slot].inside[phase], 1);
	return slot * 2 + phase;
}

void grace_leave(struct grace *grace, unsigned slot)
{
	atomic_fetch_sub(&grace->slots[slot / 2].inside[slot % 2], 1);
}

static bool is_empty(struct grace *grace, unsigned phase)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (atomic_load(&grace->slots[i].inside[phase]) > 0)
			return false;
	return true;
}

static void wait_for_empty(struct grace *grace, unsigned phase)
{
	struct timespec pause = { .tv_nsec = PAUSE_FIRST_NS };

	while (!is_empty(grace, phase)) {
		nanosleep(&pause, NULL);
		pause.tv_nsec = pause.tv_nsec * 2 < PAUSE_MAX_NS ? pause.tv_nsec * 2 : PAUSE_MAX_NS;
	}
}

void grace_wait(struct grace *grace)
{
	pthread_mutex_lock(&grace->lock);
	for (int turn = 0; turn < 2; turn++) {
		unsigned old = atomic_load(&grace->phase);
		atomic_store(&grace->phase, 1 - old);
		wait_for_empty(grace, old);
	}
	pthread_mutex_unlock(&grace->lock);
}
