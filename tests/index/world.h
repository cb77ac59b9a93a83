/* A location in a scratch folder with a running index: for tests on real directories. Every function asserts that it
 * works. Paths are relative to the location. Threads: one at a time, but for `said`. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "index/index.h"
#include "tests/lib/library.h"

#define WORLD_WAIT_MS 20000 /* for what happens at once on a machine that is not overloaded */

struct world {
	struct library library;
	char *root; /* of the location */
	int64_t location;
	struct index *index;  /* NULL: not running */
	pthread_mutex_t lock; /* guards said */
	struct buf said;      /* all lines, NUL-terminated */
};

void world_init(struct world *w); /* an empty location; nothing runs */
void world_release(struct world *w);

void world_start(struct world *w, bool watch, bool hash);
void world_stop(struct world *w);
void world_settle(struct world *w);
void world_settle_hashed(struct world *w);
struct index_progress world_rescan(struct world *w);

char *world_path(const struct world *w, const char *path);		     /* absolute, on the heap */
void world_write(const struct world *w, const char *path, const char *text); /* made or written anew */
void world_mkdir(const struct world *w, const char *path);
void world_rename(const struct world *w, const char *from, const char *to);
void world_remove(const struct world *w, const char *path); /* a file or an empty directory */
void world_run(const struct world *w, const char *command); /* by the shell, in the location */

bool world_may_mount(const struct world *w);

int64_t world_id(struct world *w, const char *path); /* of the live entry, 0 = none */
bool world_has_content(struct world *w, const char *path);
enum location_state world_state(struct world *w);
uint64_t world_count(struct world *w); /* live entries */

bool world_said(struct world *w, const char *text);
void world_await_said(struct world *w, const char *text);

/* That the rows are what is on disk: every name, with type, mode, size, time and inode, and no other. */
void world_assert_equal(struct world *w);

int64_t world_tag(struct world *w, const char *tag, const char *path); /* tags it: the pair */
/* That exactly this entry carries the tag by its own uuid. */
void world_assert_tagged(struct world *w, int64_t collection, const char *path);
