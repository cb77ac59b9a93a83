/* A real library in a scratch folder, for tests of what stands on store/. Every function asserts that it works: a test
 * cannot go on without it. Threads: one at a time. */
#pragma once

#include "store/entry.h"
#include "store/store.h"
#include "tests/lib/scratch.h"

struct library {
	struct scratch scratch;
	char *dir; /* of the library */
	struct key *key;
	struct store *store;
};

void library_init(struct library *l);
void library_reopen(struct library *l); /* closes and opens again */
void library_release(struct library *l);

struct db *library_db(struct library *l); /* this thread's reader */

/* A location named `name` whose path is below the scratch folder (the folder is not made); its id. */
int64_t library_location(struct library *l, const char *name);
int64_t library_root(struct library *l, int64_t location); /* entry id of its root directory */
int64_t library_dir(struct library *l, int64_t location, int64_t parent, const char *name);
int64_t library_file(struct library *l, int64_t location, int64_t parent, const char *name, uint64_t size);
void library_delete(struct library *l, int64_t entry);
/* Content id: 16 times `byte`. */
void library_content(struct library *l, int64_t entry, uint8_t byte);

int64_t library_tag(struct library *l, const char *name);   /* makes it */
int64_t library_album(struct library *l, const char *name);
int library_pair(struct library *l, int64_t collection, int64_t entry, const char *name, int64_t *ret_id);
struct uuid library_uuid(struct library *l, int64_t entry);

/* Runs `fn` in an interactive write. */
int library_write(struct library *l, int (*fn)(struct txn *txn, void *arg), void *arg);

/* check is clean; prints findings. */
void library_assert_clean(struct library *l);
