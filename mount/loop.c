/* Calls wait in a list, each on the stack of its caller; `lock` guards the list and what the calls hold. */
#include "mount/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct waiting {
	int (*fn)(void *arg);
	void *arg;
	int result;
	bool done;
	struct waiting *next;
};

struct loop {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct waiting *first, **last; /* lock */
	uv_loop_t uv;
	uv_async_t wake;
	pthread_t thread;
};

static struct waiting *take_call(struct loop *loop)
{
	struct waiting *w;

	pthread_mutex_lock(&loop->lock);
	w = loop->first;
	if (w) {
		loop->first = w->next;
		if (!loop->first)
			loop->last = &loop->first;
	}
	pthread_mutex_unlock(&loop->lock);
	return w;
}

static void on_wake(uv_async_t *wake)
{
	struct loop *loop = wake->data;
	struct waiting *w;

	while ((w = take_call(loop))) {
		int result = w->fn(w->arg);

		pthread_mutex_lock(&loop->lock);
		w->result = result;
		w->done = true;
		pthread_cond_broadcast(&loop->answered);
		pthread_mutex_unlock(&loop->lock);
	}
}

static void *loop_main(void *arg)
{
	struct loop *loop = arg;

	uv_run(&loop->uv, UV_RUN_DEFAULT);
	return NULL;
}

static int start_thread(struct loop *loop)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&loop->thread, NULL, loop_main, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void on_wake_closed(uv_handle_t *handle)
{
}

static void discard(struct loop *loop)
{
	uv_close((uv_handle_t *)&loop->wake, on_wake_closed);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_loop_close(&loop->uv);
}

static void loop_free(struct loop *loop)
{
	pthread_cond_destroy(&loop->answered);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

int loop_start(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->answered, NULL);
	loop->last = &loop->first;
	r = uv_loop_init(&loop->uv);
	if (r == 0) {
		r = uv_async_init(&loop->uv, &loop->wake, on_wake);
		loop->wake.data = loop;
		if (r < 0)
			uv_loop_close(&loop->uv);
	}
	if (r == 0) {
		r = start_thread(loop);
		if (r < 0)
			discard(loop);
	}
	if (r < 0) {
		loop_free(loop);
		return r;
	}
	*ret_loop = loop;
	return 0;
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

int loop_call(struct loop *loop, int (*fn)(void *arg), void *arg)
{
	struct waiting w = {.fn = fn, .arg = arg};

	pthread_mutex_lock(&loop->lock);
	*loop->last = &w;
	loop->last = &w.next;
	uv_async_send(&loop->wake);
	while (!w.done)
		pthread_cond_wait(&loop->answered, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
	return w.result;
}

static int close_wake(void *arg)
{
	struct loop *loop = arg;

	uv_close((uv_handle_t *)&loop->wake, on_wake_closed);
	return 0;
}

void loop_stop(struct loop *loop)
{
	if (!loop)
		return;
	loop_call(loop, close_wake, loop);
	pthread_join(loop->thread, NULL);
	uv_loop_close(&loop->uv);
	loop_free(loop);
}
