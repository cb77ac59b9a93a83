#include "mount/locations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int append(struct locations *locations, const struct location *location)
{
	struct location_copy copy = {
	    .id = location->id,
	    .name = strndup(location->name, location->name_len),
	    .path = strdup(location->path),
	    .state = location->state,
	    .scanned_ms = location->scanned_ms,
	};
	struct location_copy *items = reallocarray(locations->items, locations->count + 1, sizeof(*items));

	if (items)
		locations->items = items;
	if (!items || !copy.name || !copy.path) {
		free(copy.name);
		free(copy.path);
		return -ENOMEM;
	}
	items[locations->count++] = copy;
	return 0;
}

int locations_read(struct store *store, struct locations *ret_locations)
{
	_cleanup_(locations_release) struct locations locations = LOCATIONS_INIT;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	struct db *db;
	int r = store_reader(store, &db);

	if (r == 0)
		r = location_list(db, store_info(store)->device_row, 0, &rows);
	while (r == 0 && (r = location_next(&rows, &location)) == 0)
		r = append(&locations, &location);
	if (r < 0)
		return r;
	*ret_locations = locations;
	locations = LOCATIONS_INIT;
	return 0;
}

void locations_release(struct locations *locations)
{
	for (size_t i = 0; i < locations->count; i++) {
		free(locations->items[i].name);
		free(locations->items[i].path);
	}
	free(locations->items);
	*locations = LOCATIONS_INIT;
}

const struct location_copy *locations_named(const struct locations *locations, const char *name)
{
	for (size_t i = 0; i < locations->count; i++) {
		if (strcmp(locations->items[i].name, name) == 0)
			return &locations->items[i];
	}
	return NULL;
}
