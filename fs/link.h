/* Links: what a pair looks like in a collection, and where links lead. Internal to fs/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "fs/node.h"
#include "store/pair.h"

/* Lengths of paths that one listing found on its way: most links of a collection lead into few directories. Valid within
 * one read. Zero is empty. */
#define LINK_MEMO_DIRS 64
struct link_memo {
	struct {
		int64_t dir; /* entry id; 0: free */
		size_t len;  /* of its path below its location */
	} dirs[LINK_MEMO_DIRS];
	int64_t location; /* the last one; 0: none */
	size_t location_len;
};

/* What is known of a link without looking where it leads. */
struct fs_attr link_attr_partial(const struct fs *fs, int64_t pair);

/* Attributes of a link: its size is the length of its target, its time the target's. `ret_is_file`: it leads to something
 * that is no directory. `memo` NULL: partial, as the size costs most. Errors: -ENOENT: the pair is not listed. */
int link_attr(struct fs *fs, struct db *db, struct link_memo *memo, const struct pair *pair, struct fs_attr *ret_attr,
	      bool *ret_is_file);
