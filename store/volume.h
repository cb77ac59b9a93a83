/* Volumes: the disks that the locations of a device lie on. Owned by their device. A volume lives as long as a live
 * location refers to it; one that comes back is the same row. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/rows.h"
#include "store/store.h"

struct volume {
	int64_t device;		/* row id; not read by volume_record */
	uint64_t number;	/* of the owner's: the same for one disk whenever it comes back; never 0, at most INT64_MAX */
	const char *name;	/* for people; UTF-8 title, NUL-terminated */
	const char *filesystem; /* "ext4"; NUL-terminated */
	uint64_t capacity_bytes;
};

/* A volume of a device. Errors: -ENOENT: none of that number is live, or a peer's has not come yet. */
int volume_get(struct db *db, int64_t device, uint64_t number, struct volume *ret_volume, struct rows *ret_rows);

/* Whether volume_record would change nothing. A capacity that differs by less than a hundredth counts as the same, as
 * some filesystems count what others on the same disk leave free. */
int volume_is_recorded(struct db *db, int64_t location, const struct volume *volume); /* 1: it would not. Errors: -ENOENT */

/* A location of this device lies on it: writes the volume, that the location refers to it, and that volumes which no
 * live location refers to any more are deleted, each only where it is not so already.
 * Errors: -ENOENT, -EPERM (the location), -EINVAL (a field cannot be stored). */
int volume_record(struct txn *txn, int64_t location, const struct volume *volume);

/* Marks this device's volumes that no live location refers to as deleted. For store/. */
int volume_tidy(struct txn *txn);
