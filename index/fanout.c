/* Two singly linked queues under one lock. A thread takes the first of `todo`, runs it without the lock and adds it to
 * `done`. `weight` is that of `done`: the threads wait while it is too much. */
#include "index/fanout.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

struct queue {
	struct fanout_job *first;
	struct fanout_job *last;
};

struct fanout {
	pthread_mutex_t lock; /* guards all below but opts and threads */
	pthread_cond_t more;  /* something to do, or room for results */
	struct queue todo;
	struct queue done;
	size_t weight;
	bool stop;
	struct fanout_opts opts;
	unsigned started;
	pthread_t threads[];
};

/* An urgent job goes to the front: the last one first, which is as good. */
static void add(struct queue *queue, struct fanout_job *job)
{
	job->next = job->urgent ? queue->first : NULL;
	if (!queue->first)
		queue->first = queue->last = job;
	else if (job->urgent)
		queue->first = job;
	else {
		queue->last->next = job;
		queue->last = job;
	}
}

static struct fanout_job *take(struct queue *queue)
{
	struct fanout_job *job = queue->first;

	if (!job)
		return NULL;
	queue->first = job->next;
	if (!queue->first)
		queue->last = NULL;
	return job;
}

static struct fanout_job *next_job(struct fanout *f)
{
	while (!f->stop && (!f->todo.first || f->weight > FANOUT_WEIGHT_MAX))
		pthread_cond_wait(&f->more, &f->lock);
	return f->stop ? NULL : take(&f->todo);
}

static void *work(void *arg)
{
	struct fanout *f = arg;
	struct fanout_job *job;

	if (f->opts.nice != 0)
		setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), f->opts.nice);
	pthread_mutex_lock(&f->lock);
	while ((job = next_job(f)) != NULL) {
		bool first;

		atomic_store(&job->state, FANOUT_RUNNING);
		pthread_mutex_unlock(&f->lock);
		f->opts.run(f->opts.arg, job);
		pthread_mutex_lock(&f->lock);
		atomic_store(&job->state, FANOUT_DONE);
		first = !f->done.first;
		f->weight += job->weight;
		add(&f->done, job);
		if (first) {
			pthread_mutex_unlock(&f->lock);
			f->opts.wake(f->opts.arg);
			pthread_mutex_lock(&f->lock);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int fanout_new(const struct fanout_opts *opts, struct fanout **ret_fanout)
{
	struct fanout *f = calloc(1, sizeof(*f) + opts->threads * sizeof(pthread_t));
	int r = 0;

	if (!f)
		return -ENOMEM;
	f->opts = *opts;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->more, NULL);
	for (unsigned i = 0; i < opts->threads && r == 0; i++) {
		r = pthread_create(&f->threads[i], NULL, work, f);
		f->started += r == 0;
	}
	if (f->started == 0) {
		fanout_free(f);
		return -r;
	}
	*ret_fanout = f;
	return 0;
}

void fanout_push(struct fanout *f, struct fanout_job *job)
{
	atomic_store(&job->state, FANOUT_QUEUED);
	job->weight = 0;
	pthread_mutex_lock(&f->lock);
	add(&f->todo, job);
	pthread_cond_signal(&f->more);
	pthread_mutex_unlock(&f->lock);
}

struct fanout_job *fanout_pop(struct fanout *f)
{
	struct fanout_job *job;

	pthread_mutex_lock(&f->lock);
	job = take(&f->done);
	if (job) {
		bool was_full = f->weight > FANOUT_WEIGHT_MAX;

		f->weight -= job->weight;
		if (was_full)
			pthread_cond_broadcast(&f->more);
	}
	pthread_mutex_unlock(&f->lock);
	return job;
}

void fanout_stop(struct fanout *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->more);
	pthread_mutex_unlock(&f->lock);
	for (unsigned i = 0; i < f->started; i++)
		pthread_join(f->threads[i], NULL);
	f->started = 0;
}

struct fanout_job *fanout_drain(struct fanout *f)
{
	struct fanout_job *job = take(&f->done);

	return job ? job : take(&f->todo);
}

void fanout_free(struct fanout *f)
{
	if (!f)
		return;
	pthread_cond_destroy(&f->more);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
