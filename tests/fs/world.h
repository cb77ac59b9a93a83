/* A library with a real location in a scratch folder, and the tree over it: the stage of the tests of fs/. Every function
 * asserts that it works. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/tree.h"
#include "tests/lib/library.h"

struct world {
	struct library library;
	struct fs *fs;
	char *real;       /* the folder of the location "photos"; resolved */
	char *mountpoint; /* "<scratch>/mnt": an empty folder */
	int64_t location, root; /* "photos", and its root entry */
	int64_t stale; /* the last entry that an open reported, 0 = none */
};

void world_init(struct world *w);
void world_release(struct world *w);
void world_remount(struct world *w); /* fs_free and fs_new */

/* --- real files with their rows; `path` below the location --- */

int64_t world_file(struct world *w, const char *path, const char *text); /* makes its folders, too; the entry */
int64_t world_dir(struct world *w, const char *path);
int64_t world_symlink(struct world *w, const char *path, const char *target);
int64_t world_node(struct world *w, const char *path, uint32_t type); /* S_IFIFO or S_IFSOCK */
int64_t world_entry(struct world *w, const char *path); /* of what is there */
char *world_real(struct world *w, const char *path);    /* its real path, on the heap */
void world_update(struct world *w, int64_t entry, const char *path); /* the row after the file */
void world_move(struct world *w, int64_t entry, int64_t parent, const char *name);
void world_attr(struct world *w, int64_t entry, uint32_t mode, uint64_t size, int64_t mtime_ns);
void world_content(struct world *w, int64_t entry, uint8_t byte); /* content id: 16 times `byte` */
int64_t world_bulk(struct world *w, int64_t parent, const char *prefix, unsigned count); /* rows only; the first id */

/* Rows of two other devices, as if they had come by replication (peer.sql). */
void world_peers(struct world *w);

/* --- looking --- */

uint64_t world_at(struct world *w, const char *path); /* inode of a path in the mount; the last link is not followed */
int64_t world_to(struct world *w, const char *path);  /* entry that a path leads to */
char *world_ls(struct world *w, const char *path);    /* shown names in order of the listing, "a|b|c"; on the heap */
void world_assert_ls(struct world *w, const char *path, const char *names);
void world_assert_target(struct world *w, const char *path, const char *target); /* of a link */

/* Walks the whole tree: listing, look-up and attributes agree everywhere, names are unique, sizes of links are the lengths
 * of their targets, and these lead to what they name. */
void world_assert_sound(struct world *w);

/* --- changing through the tree --- */

int world_mkdir(struct world *w, const char *path);
int world_rmdir(struct world *w, const char *path);
int world_unlink(struct world *w, const char *path);
int world_ln(struct world *w, const char *target, const char *path);
int world_mv(struct world *w, const char *from, const char *to, unsigned flags);
