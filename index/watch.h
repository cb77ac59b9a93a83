/* The inotify watches of one location: one for each directory, known by its entry id. One inotify instance for each
 * location, so an overflow says whose events were lost, and closing it drops all its watches.
 *
 * Threads: watch_add from any thread; the others from the owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch;

/* Errors: -EMFILE (the user's limit of instances, fs.inotify.max_user_instances), errno. */
int watch_open(struct watch **ret_watch);
void watch_close(struct watch *watch); /* NULL does nothing */

int watch_fd(const struct watch *watch); /* readable when there are events */

/* Watches the open directory `fd` for entry `dir`. Again for the same directory: does nothing; for another one: that is
 * watched instead. Errors: -ENOSPC (the user's limit, fs.inotify.max_user_watches), errno. */
int watch_add(struct watch *watch, int fd, int64_t dir);

void watch_remove(struct watch *watch, int64_t dir);
bool watch_has(struct watch *watch, int64_t dir);
uint64_t watch_count(struct watch *watch);

struct watch_event {
	int64_t dir;   /* entry id of the directory; 0 for an overflow */
	uint32_t mask; /* IN_* */
	uint32_t cookie;
	const char *name; /* NUL-terminated; empty: the directory itself */
	size_t len;
};

/* Reads what is there now, at most about 64 KiB of events, and calls `fn` with each. Never blocks.
 * ret_more: perhaps there is more. Errors: errno of read(2). */
int watch_read(struct watch *watch, void (*fn)(void *arg, const struct watch_event *event), void *arg, bool *ret_more);
