/* A library (tests/lib/library.h) with one location whose folder is real, mounted for real, all in the test's own
 * process: the test's threads are the clients. Every function asserts that it works. Threads: one at a time. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "fs/session.h"
#include "fs/tree.h"
#include "tests/lib/library.h"

struct world {
	struct library library;
	char *real;   /* the folder that is the location "photos" */
	char *mount;
	char *photos; /* the location through the mount */
	int64_t location, root; /* its id; the entry id of its root */
	struct fs *fs;
	struct session *session; /* NULL while not mounted */
	pthread_t runner;
	int run_result;
};

/* False: says why on standard error; the tests are to be skipped. */
bool world_can_mount(void);

void world_init(struct world *w);
void world_release(struct world *w); /* also unmounts; removes everything */

void world_mount(struct world *w);   /* serves from now on, on a thread */
void world_unmount(struct world *w); /* stops, waits for the end, closes. Does nothing when not mounted */

/* The entry of what is there already at `path` below the location; its id. */
int64_t world_entry(struct world *w, int64_t parent, const char *path);
/* Something real below the location, made, with its entry; the entry's id. */
int64_t world_file(struct world *w, int64_t parent, const char *path, const char *content);
int64_t world_dir(struct world *w, int64_t parent, const char *path);
int64_t world_link(struct world *w, int64_t parent, const char *path, const char *target);

/* "DIR/NAME", on the heap. */
char *world_path(const char *dir, const char *name);
