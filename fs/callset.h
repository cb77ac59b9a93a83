/* Calls to the kernel that are to be made, each once: notices of one batch repeat themselves, a scan most of all.
 * Internal to fs/. Threads: one at a time.
 *
 * Names go before inodes, whatever the order in which they were added: the kernel takes back a name only after the
 * look-ups and listings that run in its directory, so what these still brought of an inode is dropped after it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "fs/announce.h"

struct callset_item;

struct callset {
	const struct announce_calls *calls; /* borrowed */
	void *arg;
	struct callset_item *items; /* owned */
	size_t count, capacity;
	uint32_t *slots; /* hash table of indices + 1; 0 = free; owned; twice `capacity` */
	struct buf names;
};

#define CALLSET_FULL 8192 /* calls after which a caller should make them before it adds more */

/* Each adds one call. Errors: -ENOMEM. */
int callset_expire_entry(struct callset *set, uint64_t parent, const char *name, size_t len);
int callset_drop_entry(struct callset *set, uint64_t parent, const char *name, size_t len); /* takes the place of expire */
int callset_drop_attr(struct callset *set, uint64_t ino);
int callset_drop_content(struct callset *set, uint64_t ino); /* takes the place of drop_attr */

static inline bool callset_is_full(const struct callset *set)
{
	return set->count >= CALLSET_FULL;
}

/* Makes the calls and empties the set. Blocks as the kernel does. */
void callset_run(struct callset *set);
void callset_release(struct callset *set);
