#include "mount/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define SIGNAL_STOP SIGUSR1 /* from signals_stop to its own thread */

struct signals {
	const struct signals_calls *calls;
	void *arg;
	pthread_t thread;
	atomic_bool stopping;
};

static void handled(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGHUP);
	sigaddset(ret_set, SIGNAL_STOP);
}

void signals_block(void)
{
	sigset_t set;

	handled(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void *signals_main(void *arg)
{
	struct signals *signals = arg;
	unsigned times = 0;
	sigset_t set;

	handled(&set);
	while (!atomic_load(&signals->stopping)) {
		int signal = sigwaitinfo(&set, NULL);

		if (signal == SIGTERM || signal == SIGINT)
			signals->calls->end(signals->arg, ++times);
		else if (signal == SIGHUP)
			signals->calls->refresh(signals->arg);
	}
	return NULL;
}

int signals_start(const struct signals_calls *calls, void *arg, struct signals **ret_signals)
{
	struct signals *signals = calloc(1, sizeof(*signals));
	int r;

	if (!signals)
		return -ENOMEM;
	signals->calls = calls;
	signals->arg = arg;
	r = -pthread_create(&signals->thread, NULL, signals_main, signals);
	if (r < 0) {
		free(signals);
		return r;
	}
	*ret_signals = signals;
	return 0;
}

void signals_stop(struct signals *signals)
{
	if (!signals)
		return;
	atomic_store(&signals->stopping, true);
	pthread_kill(signals->thread, SIGNAL_STOP);
	pthread_join(signals->thread, NULL);
	free(signals);
}
