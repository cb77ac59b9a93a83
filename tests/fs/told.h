/* A notifier at work, and what it tells the kernel, as text:
 *
 *     expire c7/name     drop f1/tags     attr e5     content p3
 *
 * Letters: f fixed, d device, e entry, c collection, p pair. A name in which `$` stands is one with a suffix. Lines stand in
 * the order of the calls. The name that only orders a listing is left out.
 * Threads: calls come from the notifier's. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"
#include "fs/announce.h"
#include "tests/fs/world.h"

struct told {
	struct world *w;
	struct grace *grace;
	struct announce *announce;
	pthread_t thread;
	bool running;
	/* The notifier's while it works: read them after told_settle only. */
	struct buf text;
	size_t count;
	const struct announce_calls *model; /* called, too, if set; with `arg` */
	void *arg;
};

void told_init(struct told *t, struct world *w); /* subscribes; the notifier does not run yet */
void told_start(struct told *t);
void told_release(struct told *t); /* stops it */
void told_settle(struct told *t);

/* Asserts that exactly these calls were made since the last time. */
void told_exactly(struct told *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
