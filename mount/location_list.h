/* The list of this device's locations with what is in them, as `location list` and `status` show it.
 * Threads: those of the call. Errors: those of the store. */
#pragma once

#include "mount/locations.h"
#include "mount/out.h"

struct library;

struct location_list {
	struct locations locations;
	struct location_totals *totals; /* owned; one for each of them */
	struct location_totals sum;
	bool scanning; /* a scan is under way, of any of them */
};

#define LOCATION_LIST_INIT ((struct location_list){0})

int location_list_read(struct library *library, struct location_list *ret_list); /* reads all rows of all entries */
void location_list_release(struct location_list *list);

/* Lines with `indent` before them, or a JSON array without a newline after it. */
void location_list_print(const struct location_list *list, struct out *out, bool json, const char *indent);
