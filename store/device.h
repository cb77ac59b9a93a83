/* Devices: the members of the library. Shared records: every member may rename or remove any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "store/rows.h"
#include "store/store.h"

struct device {
	int64_t id;
	struct uuid uuid;
	const char *name; /* UTF-8 title */
	size_t name_len;
	bool member;
	bool self;
};

int device_get(struct db *db, int64_t id, struct device *ret_device, struct rows *ret_rows); /* Errors: -ENOENT */
/* Members with id > after, by id. */
int device_list(struct db *db, int64_t after, struct rows *ret_rows);
int device_next(struct rows *rows, struct device *ret_device);
int device_rename(struct txn *txn, int64_t id, const char *name, size_t len); /* Errors: -ENOENT, -EINVAL (not a title) */
