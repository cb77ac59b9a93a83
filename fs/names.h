/* Shown names: what a thing is called in its directory, and which thing a name there means (design section 2: of several
 * of one name the lowest id keeps it, the others get a suffix; which one has it follows from what is there, never from
 * the order in which it came). Internal to fs/. Threads: any.
 *
 * Names below a location are shown as they are. Look-ups compare bytes: a tag is found under the spelling that is shown,
 * so what the kernel remembers of a name is exactly what the notifier can take back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"
#include "fs/dir.h"
#include "store/collection.h"
#include "store/pair.h"
#include "store/store.h"

struct name {
	char text[TEXT_NAME_MAX + 1]; /* NUL-terminated */
	size_t len;
};

void name_set(struct name *name, const char *text, size_t len); /* cut at TEXT_NAME_MAX */

/* What `name` stands for in a directory. Errors: -ENOENT, -ENAMETOOLONG. */
int names_find(struct db *db, const struct dir *dir, const char *name, size_t len, uint64_t *ret_ino);

/* Errors: -ENOENT. */
int names_of_device(struct db *db, int64_t device, struct name *ret_name);
int names_of_location(struct db *db, int64_t location, struct name *ret_name, int64_t *ret_device);
int names_of_collection(struct db *db, const struct collection *collection, struct name *ret_name);
/* `is_file`: the link leads to something that is no directory, so the suffix goes before the extension. */
int names_of_link(struct db *db, const struct pair *pair, bool is_file, struct name *ret_name);

/* Devices, or locations of one device: few enough to be read at once. */
struct sibling {
	int64_t id;       /* of the row */
	int64_t root;     /* of a location: its root entry */
	struct uuid uuid; /* decides who keeps a name */
	struct name name; /* raw */
};
struct siblings {
	struct sibling *items; /* owned; by id */
	size_t count;
};
int siblings_of_dir(struct db *db, const struct dir *dir, struct siblings *ret_siblings); /* DIR_DEVICES or DIR_DEVICE */
void siblings_release(struct siblings *siblings);
void siblings_name(const struct siblings *siblings, size_t i, struct name *ret_name);
