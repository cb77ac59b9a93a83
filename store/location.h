/* Locations: directories that a device watches. Owned by their device. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "store/rows.h"
#include "store/store.h"

/* What the root directory was when it was last seen, to notice another disk at the same path. */
struct location_identity {
	uint64_t fsid;
	uint64_t ino;
	int64_t btime_ns; /* 0: the filesystem has none */
};

enum location_state { /* of this device's locations, for status; starts as LOCATION_UNSCANNED */
	LOCATION_UNSCANNED, /* the first scan has not reached its end */
	LOCATION_READY,
	LOCATION_OFFLINE,   /* the root is gone or is another disk: entries are kept as they are */
};

struct location {
	int64_t id;
	int64_t device;     /* row id */
	uint64_t prefix;    /* of the uuids of its entries */
	const char *name;   /* UTF-8 title */
	size_t name_len;
	const char *path;   /* absolute path on its device, any bytes, NUL-terminated */
	const char *exclude; /* extra ignore patterns, one in a line, gitignore syntax; never NULL */
	int64_t root;       /* entry id of its root directory */
	uint64_t volume;    /* the disk that it lies on: a number of its device's (store/volume.h); 0 = not known */
	struct location_identity identity; /* this device's only */
	enum location_state state;         /* this device's only */
	int64_t scanned_ms; /* end of the last full scan, wall clock; 0 = never */
};

int location_get(struct db *db, int64_t id, struct location *ret_location, struct rows *ret_rows); /* Errors: -ENOENT (also deleted) */
/* Live locations of a device (0 = of all members) with id > after, by id. */
int location_list(struct db *db, int64_t device, int64_t after, struct rows *ret_rows);
int location_next(struct rows *rows, struct location *ret_location);

struct location_new {
	const char *name;
	const char *path;
	const char *exclude; /* NULL = none */
	struct location_identity identity;
	uint32_t mode;       /* of the root directory */
	int64_t mtime_ns;
	bool checked;          /* against this device's locations with ids up to `checked_until` (0 = there were none) */
	int64_t checked_until;
};
/* A location of this device with its root entry. Writes an audit record.
 * Errors: -EEXIST (this device has a location of that name), -EINVAL (name is no title), -ERR_STALE (`checked`, and a
 * location was added since: it may be at or around this one, so check again), -ERR_TOO_LARGE (OWNER_LOCATIONS_MAX, those
 * that were removed included). */
int location_add(struct txn *txn, const struct location_new *new, int64_t *ret_id);

/* Marks it as deleted: one mark takes all entries of its prefix with it, whose rows go later, in slices, and the last
 * location on a volume takes that with it; pairs stay. Writes an audit record.
 * Only this device's. Errors: -ENOENT, -EPERM. */
int location_remove(struct txn *txn, int64_t id);

/* 0 = not known. For store/: others record a whole volume (volume_record). Errors: -ENOENT, -EPERM. */
int location_set_volume(struct txn *txn, int64_t id, uint64_t number);

int location_set_state(struct txn *txn, int64_t id, enum location_state state);
int location_set_identity(struct txn *txn, int64_t id, const struct location_identity *identity); /* a disk that the user adopts */
int location_set_scanned(struct txn *txn, int64_t id, int64_t now_ms); /* and LOCATION_READY */

/* Live entries below it (files, directories ..., without the root) and the bytes of its regular files. */
struct location_totals {
	uint64_t entries, files, bytes, unhashed; /* unhashed: regular files, not empty, whose content id is still to be computed */
};
int location_totals(struct db *db, int64_t id, struct location_totals *ret_totals); /* reads all its rows: not for hot paths */
