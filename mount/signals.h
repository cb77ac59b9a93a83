/* The signals of the daemon, on a thread of their own: handlers there may do what they like.
 *
 * Threads: signals_block belongs before the first thread starts; the callbacks come on the signal thread. */
#pragma once

struct signals;

struct signals_calls {
	void (*end)(void *arg, unsigned times); /* SIGTERM or SIGINT, for the 1st, 2nd ... time */
	void (*refresh)(void *arg);		/* SIGHUP */
};

void signals_block(void); /* for this thread and all that it starts; SIGPIPE is ignored */
int signals_start(const struct signals_calls *calls, void *arg, struct signals **ret_signals);
void signals_stop(struct signals *signals); /* returns when no callback is under way. NULL does nothing */
