#include "mount/location_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "index/index.h"
#include "mount/library.h"
#include "mount/locations.h"
#include "mount/table.h"
#include "store/device.h"
#include "store/volume.h"

enum { COLUMNS = 7 };

/* Of another device nothing is known. */
static const char *state_name(const struct location_list *list, size_t i)
{
	enum location_state state = list->locations.items[i].state;

	if (!list->places[i].self)
		return "";
	if (state == LOCATION_OFFLINE)
		return "offline";
	if (state == LOCATION_READY)
		return "ready";
	return list->scanning ? "scanning" : "not scanned";
}

static void put_text(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, "\"%s\": ", name);
	if (text)
		buf_json(b, text, strlen(text));
	else
		buf_append_str(b, "null");
	buf_append_str(b, ", ");
}

static void put_disk(struct buf *b, const struct location_place *place)
{
	if (!place->disk) {
		buf_append_str(b, "\"disk\": null, ");
		return;
	}
	buf_append_str(b, "\"disk\": {");
	put_text(b, "name", place->disk);
	put_text(b, "filesystem", place->filesystem);
	buf_printf(b, "\"capacity_bytes\": %llu}, ", (unsigned long long)place->capacity_bytes);
}

static void put_json(struct buf *b, const struct location_list *list, size_t i)
{
	const struct location_copy *location = &list->locations.items[i];
	const struct location_place *place = &list->places[i];
	const struct location_totals *totals = &list->totals[i];

	buf_append_str(b, i == 0 ? "\n  {" : ",\n  {");
	put_text(b, "name", location->name);
	put_text(b, "device", place->device);
	put_text(b, "path", location->path);
	put_disk(b, place);
	put_text(b, "state", place->self ? state_name(list, i) : NULL);
	buf_printf(b, "\"entries\": %llu, \"files\": %llu, \"bytes\": %llu, \"unhashed\": %llu, \"scanned_ms\": %lld}",
		   (unsigned long long)totals->entries, (unsigned long long)totals->files,
		   (unsigned long long)totals->bytes, (unsigned long long)totals->unhashed,
		   (long long)location->scanned_ms);
}

static void put_row(struct table *table, const struct location_list *list, size_t i)
{
	const struct location_totals *totals = &list->totals[i];
	char text[OUT_NUMBER_LEN], cell[OUT_NUMBER_LEN + 32];

	table_cell(table, list->locations.items[i].name);
	table_cell(table, state_name(list, i));
	snprintf(cell, sizeof(cell), "%s entries", out_count_text(totals->entries, text));
	table_cell(table, cell);
	table_cell(table, out_size_text(totals->bytes, text));
	snprintf(cell, sizeof(cell), "%s not identified", out_count_text(totals->unhashed, text));
	table_cell(table, totals->unhashed > 0 ? cell : "");
	table_cell(table, list->places[i].disk ? list->places[i].disk : "");
	table_cell(table, list->locations.items[i].path);
}

/* --- reading --- */

static int read_totals(struct db *db, struct location_list *list)
{
	list->totals = calloc(list->locations.count + 1, sizeof(*list->totals));
	if (!list->totals)
		return -ENOMEM;
	for (size_t i = 0; i < list->locations.count; i++) {
		struct location_totals *totals = &list->totals[i];
		int r = location_totals(db, list->locations.items[i].id, totals);

		if (r < 0)
			return r;
		list->sum.entries += totals->entries;
		list->sum.files += totals->files;
		list->sum.bytes += totals->bytes;
		list->sum.unhashed += totals->unhashed;
	}
	return 0;
}

static int read_device(struct db *db, int64_t id, struct location_place *place)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_get(db, id, &device, &rows);

	if (r < 0)
		return r;
	place->self = device.self;
	place->device = strndup(device.name, device.name_len);
	return place->device ? 0 : -ENOMEM;
}

static int read_disk(struct db *db, const struct location_copy *location, struct location_place *place)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct volume volume;
	int r = volume_get(db, location->device, location->volume, &volume, &rows);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	place->capacity_bytes = volume.capacity_bytes;
	place->filesystem = strdup(volume.filesystem);
	place->disk = place->filesystem ? strdup(volume.name) : NULL;
	return place->disk ? 0 : -ENOMEM;
}

static int read_place(struct db *db, const struct location_copy *location, struct location_place *place)
{
	int r = read_device(db, location->device, place);

	if (r == 0)
		r = read_disk(db, location, place);
	if (r < 0 || !place->self || location->state != LOCATION_OFFLINE)
		return r;
	r = index_why_offline(db, location->id, &place->why_offline);
	return r == -ENOENT ? 0 : r; /* it was removed meanwhile */
}

static int read_places(struct db *db, struct location_list *list)
{
	int r = 0;

	list->places = calloc(list->locations.count + 1, sizeof(*list->places));
	if (!list->places)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < list->locations.count; i++)
		r = read_place(db, &list->locations.items[i], &list->places[i]);
	return r;
}

int location_list_read(struct library *library, bool all, struct location_list *ret_list)
{
	_cleanup_(location_list_release) struct location_list list = LOCATION_LIST_INIT;
	struct index_status status;
	struct db *db;
	int r = store_reader(library->store, &db);

	if (r == 0)
		r = all ? locations_read_all(library->store, &list.locations)
			: locations_read(library->store, &list.locations);
	if (r == 0)
		r = read_totals(db, &list);
	if (r == 0)
		r = read_places(db, &list);
	if (r < 0)
		return r;
	index_status(library->index, &status);
	list.scanning = status.scanning;
	*ret_list = list;
	list = LOCATION_LIST_INIT;
	return 0;
}

void location_list_release(struct location_list *list)
{
	for (size_t i = 0; list->places && i < list->locations.count; i++) {
		free(list->places[i].device);
		free(list->places[i].disk);
		free(list->places[i].filesystem);
		free(list->places[i].why_offline);
	}
	free(list->places);
	locations_release(&list->locations);
	free(list->totals);
	*list = LOCATION_LIST_INIT;
}

/* --- printing --- */

static void print_json(const struct location_list *list, struct out *out)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	buf_append_str(&b, "[");
	for (size_t i = 0; i < list->locations.count; i++)
		put_json(&b, list, i);
	buf_append_str(&b, list->locations.count > 0 ? "\n]" : "]");
	if (buf_error(&b) == 0)
		out_bytes(out, b.data, b.len);
}

static void print_offline(const struct location_list *list, struct out *out, const char *indent, size_t i)
{
	if (!list->places[i].why_offline)
		return;
	out_printf(out, "%s", indent);
	out_name_text(out, list->locations.items[i].name);
	out_printf(out, " is offline: %s\n", list->places[i].why_offline);
}

/* Those of one device from `*i` on. */
static void print_device(const struct location_list *list, struct out *out, const char *indent, size_t *i)
{
	_cleanup_(table_release) struct table table = {.columns = COLUMNS, .right = 1 << 2 | 1 << 3, .indent = indent};
	int64_t device = list->locations.items[*i].device;
	size_t first = *i;

	for (; *i < list->locations.count && list->locations.items[*i].device == device; (*i)++)
		put_row(&table, list, *i);
	table_print(&table, out);
	for (size_t k = first; k < *i; k++)
		print_offline(list, out, indent, k);
}

void location_list_print(const struct location_list *list, struct out *out, bool json, const char *indent)
{
	if (json) {
		print_json(list, out);
		return;
	}
	for (size_t i = 0; i < list->locations.count;) {
		if (!list->places[i].self) {
			out_printf(out, "on ");
			out_name_text(out, list->places[i].device);
			out_printf(out, "\n");
		}
		print_device(list, out, list->places[i].self ? indent : "  ", &i);
	}
}
