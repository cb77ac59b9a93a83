/* Single writes, each in a transaction of its own, for tests that look at what one of them does. They return what the
 * call or the commit returned. Threads: any. */
#pragma once

#include "store/entry.h"
#include "store/location.h"
#include "store/store.h"

/* A file as most tests want it: 0644, 10 bytes, inode `ino`. */
struct entry_attr step_file(uint64_t ino);
struct entry_attr step_dir(uint64_t ino);

int step_insert(struct store *store, int64_t location, int64_t parent, const char *name, struct entry_attr attr,
		int64_t *ret_id);
int step_update(struct store *store, int64_t id, struct entry_attr attr);
int step_move(struct store *store, int64_t id, int64_t parent, const char *name);
int step_delete(struct store *store, int64_t id);
int step_content(struct store *store, int64_t id, const struct entry_attr *attr, uint8_t byte); /* 16 times `byte` */
int step_location_add(struct store *store, const char *name, int64_t *ret_id);
int step_location_remove(struct store *store, int64_t id);
int step_device_rename(struct store *store, int64_t id, const char *name);
int step_sql(struct store *store, const char *sql); /* on the write connection: for rows that our code would not make */

/* The number that a query of one row gives, on this thread's reader. */
int64_t step_number(struct store *store, const char *sql);
