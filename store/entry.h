/* Entries: files, directories, symlinks and special files below a location (design section 4).
 *
 * A row is identified by its location's prefix and a number (uuid_entry). Deleted rows stay as tombstones and keep their
 * inode and birth time, so that an entry that vanished in one place and appears in another is revived with its identity.
 * The root of a location is an entry with an empty name and parent 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "store/rows.h"
#include "store/store.h"

#define ENTRY_DEPTH_MAX 4096 /* a path is walked at most this far: a cycle is an error, not a hang */

struct entry {
	int64_t id;
	int64_t location;
	struct uuid uuid;
	int64_t parent;   /* entry id; 0 for the root of a location */
	const char *name; /* any bytes that Linux allows, not NUL-terminated in general; empty for a root or a stub */
	size_t name_len;
	uint32_t mode;    /* type and permissions, as st_mode */
	uint64_t size;
	int64_t mtime_ns;
	bool deleted;
	bool local;       /* of this device */
	bool has_content;
	uint8_t content[HASH128_LEN];
	uint64_t ino;      /* local ones: the inode and birth time below the location; 0 = unknown */
	int64_t btime_ns;
};

/* --- reading. All of these but entry_get and entry_by_* see live entries only. --- */

int entry_get(struct db *db, int64_t id, struct entry *ret_entry, struct rows *ret_rows); /* also deleted. Errors: -ENOENT */
int entry_by_uuid(struct db *db, const struct uuid *uuid, struct entry *ret_entry, struct rows *ret_rows); /* also deleted. -ENOENT */
int entry_child(struct db *db, int64_t parent, const char *name, size_t len, struct entry *ret_entry, struct rows *ret_rows); /* -ENOENT */

/* Children of a directory with id > after, by id. `ino` and `btime_ns` are filled when `with_inode`. */
int entry_list(struct db *db, int64_t parent, int64_t after, bool with_inode, struct rows *ret_rows);
/* Entries of this device, deleted ones included, with that inode in that location. */
int entry_by_inode(struct db *db, int64_t location, uint64_t ino, struct rows *ret_rows);
/* Live entries with that content id and a size above 0, this device's first, then by id. */
int entry_by_content(struct db *db, const uint8_t content[HASH128_LEN], struct rows *ret_rows);
/* Live, local, not empty regular files without a content id, with id > after, by id. */
int entry_list_unhashed(struct db *db, int64_t after, struct rows *ret_rows);
int entry_next(struct rows *rows, struct entry *ret_entry);

/* Appends the path of an entry below its location: "a/b/c", nothing for the root. Deleted entries have a path too when
 * their parents still have rows. Errors: -ENOENT (a parent is missing, a stub or deleted, or its location is), -ELOOP. */
int entry_path(struct db *db, int64_t id, struct buf *ret_path);

struct entry_site {
	int64_t location;
	bool local; /* of this device */
};
/* The same for an entry that must be live, and where it stands: one walk tells that it is reachable, and its path. */
int entry_live_path(struct db *db, int64_t id, struct entry_site *ret_site, struct buf *ret_path);

/* Whether the entry is live, its parents are live and its location is. 1 = yes, 0 = no. */
int entry_is_reachable(struct db *db, int64_t id);

/* --- writing: this device's entries only (-EPERM otherwise). Each call publishes its notices. --- */

struct entry_place {
	int64_t location;
	int64_t parent;
	const char *name;
	size_t name_len;
};

struct entry_attr {
	uint32_t mode;
	uint64_t size;
	int64_t mtime_ns;
	uint64_t ino;
	int64_t btime_ns;
};

/* The caller knows that no live entry has that place. */
int entry_insert(struct txn *txn, const struct entry_place *place, const struct entry_attr *attr, int64_t *ret_id);
/* Writes nothing when all is as it was. When size, mtime or inode differ the content id is dropped (to be computed anew).
 * Errors: -ENOENT. */
int entry_update(struct txn *txn, int64_t id, const struct entry_attr *attr);
/* To another name or directory of the same location; a deleted one is revived (what was below it stays deleted).
 * The caller knows that the new place is free. Errors: -ENOENT, -ELOOP (a directory into itself). */
int entry_move(struct txn *txn, int64_t id, int64_t parent, const char *name, size_t len);
/* Marks it and everything below it as deleted. Errors: -ENOENT. */
int entry_delete(struct txn *txn, int64_t id);
/* Sets the content id, if size and mtime are still these, and the content of the live pairs that name it (a shared
 * change, when they differ). Errors: -ERR_STALE (the entry changed meanwhile). */
int entry_set_content(struct txn *txn, int64_t id, uint64_t size, int64_t mtime_ns, const uint8_t content[HASH128_LEN]);
