#include "mount/locations.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/device.h"

static int append(struct locations *locations, const struct location *location)
{
	struct location_copy copy = {
	    .id = location->id,
	    .device = location->device,
	    .name = strndup(location->name, location->name_len),
	    .path = strdup(location->path),
	    .volume = location->volume,
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

static int append_device(struct db *db, int64_t device, struct locations *locations)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct location location;
	int r = location_list(db, device, 0, &rows);

	while (r == 0 && (r = location_next(&rows, &location)) == 0)
		r = append(locations, &location);
	return r < 0 ? r : 0;
}

static int append_others(struct db *db, struct locations *locations)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_list(db, 0, &rows);

	while (r == 0 && (r = device_next(&rows, &device)) == 0) {
		if (!device.self)
			r = append_device(db, device.id, locations);
	}
	return r < 0 ? r : 0;
}

static int read_some(struct store *store, bool all, struct locations *ret_locations)
{
	_cleanup_(locations_release) struct locations locations = LOCATIONS_INIT;
	struct db *db;
	int r = store_reader(store, &db);

	if (r == 0)
		r = append_device(db, store_info(store)->device_row, &locations);
	if (r == 0 && all)
		r = append_others(db, &locations);
	if (r < 0)
		return r;
	*ret_locations = locations;
	locations = LOCATIONS_INIT;
	return 0;
}

int locations_read(struct store *store, struct locations *ret_locations)
{
	return read_some(store, false, ret_locations);
}

int locations_read_all(struct store *store, struct locations *ret_locations)
{
	return read_some(store, true, ret_locations);
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
