/* Devices by the words that people type, copied out of the catalogue. Threads: those of the connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"
#include "mount/out.h"
#include "store/store.h"

struct device_copy {
	int64_t id;
	struct uuid uuid;
	char name[TEXT_NAME_MAX + 1];
	bool self;
	bool member;
};

struct devices {
	struct device_copy *items; /* owned; by id */
	size_t count;
	size_t capacity;
};

#define DEVICES_INIT ((struct devices){0})

/* Those that `added_by` added, also removed ones, but not itself; NULL: all members. */
int devices_read(struct db *db, const struct uuid *added_by, struct devices *ret_devices);
void devices_release(struct devices *devices);

/* The member that `word` means: its name, the name with the suffix that the mount shows, or its id. Says on `out` when
 * there is none or more than one. Errors: -ENOENT. */
int devices_find_or_say(struct db *db, const char *word, struct out *out, struct device_copy *ret_device);
