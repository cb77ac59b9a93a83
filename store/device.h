/* Devices: the members of the library. Shared records: every member may add, rename or remove any. The row of a removed
 * device stays (member = 0), so that nothing old makes it a member again, and so that pairs keep their entries.
 *
 * A device is added with the public key that it proved to have; its id follows from the key. One that was removed and
 * joins again makes a new key, so it is another device (design section 5, "Membership"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"
#include "base/uuid.h"
#include "store/rows.h"
#include "store/store.h"
#include "sync/hlc.h"
#include "sync/model.h"

struct device {
	int64_t id;
	struct uuid uuid;
	const char *name; /* UTF-8 title; may be empty: then this device has not heard of it yet */
	size_t name_len;
	bool member;
	bool self;
	const uint8_t *public_key; /* KEY_PUBLIC_LEN bytes; NULL: not heard of yet */
	struct uuid added_by;	   /* nil: not heard of yet */
	struct stamp added_at;	   /* when `added_by` was written, and by whom; hlc 0: never */
	struct stamp member_at;	   /* the same of `member`: of a removed device, its removal */
};

/* Errors: -ENOENT. */
int device_get(struct db *db, int64_t id, struct device *ret_device, struct rows *ret_rows);
int device_find(struct db *db, const struct uuid *uuid, struct device *ret_device, struct rows *ret_rows);

/* Members with id > after, by id. */
int device_list(struct db *db, int64_t after, struct rows *ret_rows);
/* Also those that were removed or are not known to be members. */
int device_list_all(struct db *db, int64_t after, struct rows *ret_rows);
int device_next(struct rows *rows, struct device *ret_device);

/* 1: a member, 0: removed or unknown. With the id of store_info it tells whether this device may still share. */
int device_is_member(struct db *db, const struct uuid *uuid);

/* What beacons are sealed with: the newest key that a member wrote. Errors: -ENOENT (none known). */
int device_discovery_key(struct db *db, uint8_t ret_key[MODEL_DISCOVERY_LEN]);

/* Makes the holder of `public_key` a member, on the word of `added_by` (NULL: this device).
 * Errors: -EINVAL (not a title), -EEXIST (a member already; *ret_id is set all the same), -EPERM (that key was removed:
 * a device that joins again makes a new one). `ret_id` may be NULL. */
int device_add(struct txn *txn, const uint8_t public_key[KEY_PUBLIC_LEN], const char *name, size_t len,
	       const struct uuid *added_by, int64_t *ret_id);

int device_rename(struct txn *txn, int64_t id, const char *name,
		  size_t len); /* Errors: -ENOENT, -EINVAL (not a title) */

/* Ends the membership and renews the discovery key, in one change set. Errors: -ENOENT (no member), -EPERM (this
 * device: another member has to do it, as nobody else would hear of it). */
int device_remove(struct txn *txn, int64_t id);
