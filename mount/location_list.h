/* A list of locations with what is in them and where they are, as `location list` and `status` show it.
 * Threads: those of the call. Errors: those of the store. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mount/locations.h"
#include "mount/out.h"

struct library;

struct location_place {	  /* texts are owned */
	char *device;	  /* its name */
	bool self;	  /* it is this one */
	char *disk;	  /* its name; NULL = not known */
	char *filesystem; /* "ext4"; NULL as `disk` */
	uint64_t capacity_bytes;
	char *
	    why_offline; /* the end of a sentence (index_why_offline); NULL = it is not, or belongs to another device */
};

struct location_list {
	struct locations locations;
	struct location_totals *totals; /* owned; one for each of them */
	struct location_place *places;	/* owned; one for each of them */
	struct location_totals sum;
	bool scanning; /* a scan is under way, of any of them */
};

#define LOCATION_LIST_INIT ((struct location_list){0})

/* Those of this device, or `all` of the library. Reads all rows of all their entries, and looks at the disks of those
 * that are offline, so it may block as these do. */
int location_list_read(struct library *library, bool all, struct location_list *ret_list);
void location_list_release(struct location_list *list);

/* Lines with `indent` before them, or a JSON array without a newline after it. */
void location_list_print(const struct location_list *list, struct out *out, bool json, const char *indent);
