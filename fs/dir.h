/* The directories of the tree: which kinds there are, and which rows each shows. Internal to fs/. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/collection.h"
#include "store/object.h"
#include "store/store.h"

enum dir_kind {
	DIR_ROOT,        /* the fixed directories */
	DIR_DEVICES,     /* members */
	DIR_DEVICE,      /* its locations: the root entry of each */
	DIR_ENTRY,       /* a real directory */
	DIR_COLLECTIONS, /* tags/ and albums/ */
	DIR_LINKS,       /* a tag, an album, favorites/ */
	DIR_KINDS
};

struct dir {
	enum dir_kind kind;
	uint64_t ino;
	uint64_t parent; /* what ".." is */
	int64_t id;      /* row of the device, the entry or the collection; 0 for the others */
	enum collection_kind collections; /* DIR_COLLECTIONS: what it shows; DIR_LINKS: what it is */
};

/* The kind by number alone, whether or not it is there. Errors: -ENOTDIR (a link), -ENOENT (no such number).
 * An entry counts as a directory. */
int dir_kind_of(uint64_t ino, enum dir_kind *ret_kind);

/* A directory that is there. Errors: -ENOENT, -ENOTDIR. */
int dir_get(struct db *db, uint64_t ino, struct dir *ret_dir);

/* A tag or album that is there. Errors: -ENOENT: it is gone, or the number is that of an earlier life. */
int dir_collection(struct db *db, uint64_t ino, struct collection *ret_collection, struct rows *ret_rows);

/* Permissions of a directory that has no row with a mode. */
uint32_t dir_permissions(enum dir_kind kind);

/* The directories in the root, by index; NULL past the end. */
struct dir_fixed {
	uint64_t ino;
	const char *name;
	enum dir_kind kind;
	enum collection_kind collections;
};
const struct dir_fixed *dir_fixed_at(size_t i);
const struct dir_fixed *dir_fixed_of(uint64_t ino); /* NULL: none of them */
