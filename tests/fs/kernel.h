/* What a kernel remembers of the tree, as far as the notifier matters: names, attributes, targets of links and listings,
 * for ever, until it is told to forget them. So after announce_settle all that it can still reach must be as the tree
 * shows it: kernel_assert_right.
 *
 * It keeps the order that Linux keeps, and no other: a reply is applied after the handler has left its grace period. Look-ups
 * and listings hold their directory until then; who changes a name or takes it back waits for them. Attributes and targets
 * that were dropped while a request for them was under way are not applied. (Here all directories have one lock.)
 *
 * Threads: any. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/announce.h"
#include "fs/grace.h"
#include "fs/tree.h"

struct kernel_dentry {
	uint64_t parent, ino;
	char name[256];
};

struct kernel_inode {
	uint64_t ino;
	bool has_attr;
	struct fs_attr attr;
	unsigned drops; /* how often it was dropped */
	char *target;  /* of a link; NULL = not known */
	char *listing; /* "name=inode" in lines; NULL = not known */
};

struct kernel {
	pthread_rwlock_t dirs; /* taken before `lock`, held across requests */
	pthread_mutex_t lock;  /* guards all below but fs and grace */
	struct fs *fs;
	struct grace *grace;
	struct kernel_dentry *dentries;
	size_t dentry_count;
	struct kernel_inode *inodes;
	size_t inode_count;
};

extern const struct announce_calls kernel_calls; /* arg is the kernel */

void kernel_init(struct kernel *k, struct fs *fs, struct grace *grace);
void kernel_release(struct kernel *k);

/* Looks at all that can be reached, each thing with a chance of `percent`. Only what is not known is asked for. */
void kernel_walk(struct kernel *k, unsigned percent, unsigned *seed);

/* The calls of the table, by path; what they ask for is looked up first. Returns their result. */
int kernel_mkdir(struct kernel *k, const char *dir, const char *name);
int kernel_rmdir(struct kernel *k, const char *dir, const char *name);
int kernel_unlink(struct kernel *k, const char *dir, const char *name);
int kernel_symlink(struct kernel *k, const char *dir, const char *name, const char *target);
int kernel_rename(struct kernel *k, const char *dir, const char *name, const char *new_dir, const char *new_name);

void kernel_assert_right(struct kernel *k);
