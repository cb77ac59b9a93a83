/* A pool of at most WORKERS_MAX threads in an array of slots. A thread blocks in read(2) of the device; when it gets
 * a request and nobody else is waiting for one, it starts another thread before it goes to work. So requests that wait
 * for a slow disk (the kernel reads ahead with 12 at a time) do not hold up look-ups. Threads beyond WORKERS_KEEP leave
 * again when there was no such need for a while: each may have a database connection with its cache.
 *
 * A slot is FREE, RUNNING (its thread lives) or LEFT (its thread is about to return and wants to be joined). `lock`
 * guards slots and counts; threads are created and joined under it, which takes microseconds and happens rarely.
 *
 * The end: a thread can be cancelled while it is in read(2) and nowhere else. Always true: `idle` threads of `running`
 * are in read(2) or on their way there. */
#include "fs/workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define WORKERS_MAX	 32
#define WORKERS_KEEP	 4
#define WORKERS_QUIET_MS 10000
#define STACK_BYTES	 (1024 * 1024) /* only what is touched costs memory */

enum slot_state { SLOT_FREE, SLOT_RUNNING, SLOT_LEFT };

struct worker {
	struct workers *workers;
	enum slot_state state; /* lock */
	pthread_t thread;      /* lock; valid unless FREE */
	struct fuse_buf buf;   /* the thread's; the request, allocated by libfuse */
	struct ops_scratch scratch; /* the thread's */
};

struct workers {
	pthread_mutex_t lock;
	struct worker worker[WORKERS_MAX];
	unsigned running, idle; /* lock */
	uint64_t short_ms;      /* lock; when there was last nobody idle */
	bool ending;            /* lock; no more threads are started */
	int error;              /* lock; of the device */
	atomic_bool stopped;
	sem_t wake; /* posted when workers_wait has something to see */
	struct fuse_session *fuse;
};

int workers_new(struct fuse_session *fuse, struct workers **ret_workers)
{
	struct workers *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	sem_init(&w->wake, 0, 0);
	w->fuse = fuse;
	for (size_t i = 0; i < WORKERS_MAX; i++)
		w->worker[i].workers = w;
	*ret_workers = w;
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	assert(w->running == 0);
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		free(w->worker[i].buf.mem);
		ops_scratch_release(&w->worker[i].scratch);
	}
	sem_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static void *worker_main(void *arg);

/* All signals but those of a crash go to the program's other threads. */
static void block_signals(sigset_t *ret_old)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigdelset(&set, crashes[i]);
	pthread_sigmask(SIG_SETMASK, &set, ret_old);
}

static int thread_start(struct worker *worker)
{
	pthread_attr_t attr;
	sigset_t old;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	block_signals(&old);
	int r = -pthread_create(&worker->thread, &attr, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static struct worker *free_slot(struct workers *w)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (w->worker[i].state != SLOT_RUNNING)
			return &w->worker[i];
	return NULL;
}

/* Under the lock. */
static int start_one(struct workers *w)
{
	struct worker *worker = free_slot(w);

	if (!worker || w->ending)
		return 0;
	if (worker->state == SLOT_LEFT)
		pthread_join(worker->thread, NULL);
	worker->state = SLOT_FREE;
	int r = thread_start(worker);
	if (r < 0)
		return r;
	worker->state = SLOT_RUNNING;
	w->running++;
	w->idle++;
	return 0;
}

/* A thread has a request. That no other can be started is no error: this one comes back. */
static void worker_busy(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->idle--;
	if (w->idle == 0) {
		w->short_ms = clock_monotonic_ms();
		start_one(w);
	}
	pthread_mutex_unlock(&w->lock);
}

/* A thread has answered. False: it is not needed any more. */
static bool worker_idle(struct worker *worker)
{
	struct workers *w = worker->workers;
	bool stay = true;

	pthread_mutex_lock(&w->lock);
	w->idle++;
	if (w->idle > WORKERS_KEEP && !w->ending && clock_monotonic_ms() - w->short_ms > WORKERS_QUIET_MS) {
		worker->state = SLOT_LEFT;
		w->running--;
		w->idle--;
		stay = false;
	}
	pthread_mutex_unlock(&w->lock);
	return stay;
}

/* The device is closed or failed: everybody ends. */
static void worker_lost(struct workers *w, int r)
{
	pthread_mutex_lock(&w->lock);
	if (!w->error)
		w->error = r;
	pthread_mutex_unlock(&w->lock);
	workers_stop(w);
}

static int receive(struct worker *worker)
{
	int r;

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	r = fuse_session_receive_buf(worker->workers->fuse, &worker->buf);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return r;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct workers *w = worker->workers;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	ops_use_scratch(&worker->scratch);
	for (;;) {
		int r = receive(worker);
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0) {
			worker_lost(w, r);
			return NULL;
		}
		worker_busy(w);
		fuse_session_process_buf(w->fuse, &worker->buf);
		if (!worker_idle(worker))
			return NULL;
	}
}

int workers_start(struct workers *w)
{
	int r = 0;

	pthread_mutex_lock(&w->lock);
	if (!atomic_load(&w->stopped))
		r = start_one(w);
	pthread_mutex_unlock(&w->lock);
	return r;
}

void workers_wait(struct workers *w)
{
	while (!atomic_load(&w->stopped))
		sem_wait(&w->wake); /* -EINTR: look again */
}

int workers_end(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_mutex_unlock(&w->lock);
	/* Nobody changes a slot any more. */
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (w->worker[i].state == SLOT_RUNNING)
			pthread_cancel(w->worker[i].thread);
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		if (w->worker[i].state != SLOT_FREE)
			pthread_join(w->worker[i].thread, NULL);
		w->worker[i].state = SLOT_FREE;
	}
	w->running = w->idle = 0;
	return w->error;
}

void workers_stop(struct workers *w)
{
	atomic_store(&w->stopped, true);
	sem_post(&w->wake);
}
