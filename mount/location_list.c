#include "mount/location_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "index/index.h"
#include "mount/library.h"
#include "mount/locations.h"
#include "mount/table.h"

enum { COLUMNS = 6 };

static const char *state_text(const struct location_copy *location, bool scanning)
{
	if (location->state == LOCATION_OFFLINE)
		return "offline";
	if (location->state == LOCATION_READY)
		return "ready";
	return scanning ? "scanning" : "not scanned";
}

static void put_json(struct out *out, const struct location_copy *location, const char *state,
		     const struct location_totals *totals, bool first)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	buf_printf(&b, "%s\n  {\"name\": ", first ? "" : ",");
	buf_json(&b, location->name, strlen(location->name));
	buf_append_str(&b, ", \"path\": ");
	buf_json(&b, location->path, strlen(location->path));
	buf_printf(&b,
		   ", \"state\": \"%s\", \"entries\": %llu, \"files\": %llu, \"bytes\": %llu, \"unhashed\": %llu, "
		   "\"scanned_ms\": %lld}",
		   state, (unsigned long long)totals->entries, (unsigned long long)totals->files,
		   (unsigned long long)totals->bytes, (unsigned long long)totals->unhashed,
		   (long long)location->scanned_ms);
	if (buf_error(&b) == 0)
		out_bytes(out, b.data, b.len);
}

static void put_row(struct table *table, const struct location_copy *location, const char *state,
		    const struct location_totals *totals)
{
	char text[OUT_NUMBER_LEN], cell[OUT_NUMBER_LEN + 32];

	table_cell(table, location->name);
	table_cell(table, state);
	snprintf(cell, sizeof(cell), "%s entries", out_count_text(totals->entries, text));
	table_cell(table, cell);
	table_cell(table, out_size_text(totals->bytes, text));
	snprintf(cell, sizeof(cell), "%s not identified", out_count_text(totals->unhashed, text));
	table_cell(table, totals->unhashed > 0 ? cell : "");
	table_cell(table, location->path);
}

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

int location_list_read(struct library *library, struct location_list *ret_list)
{
	_cleanup_(location_list_release) struct location_list list = LOCATION_LIST_INIT;
	struct index_status status;
	struct db *db;
	int r = store_reader(library->store, &db);

	if (r == 0)
		r = locations_read(library->store, &list.locations);
	if (r == 0)
		r = read_totals(db, &list);
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
	locations_release(&list->locations);
	free(list->totals);
	*list = LOCATION_LIST_INIT;
}

static void print_json(const struct location_list *list, struct out *out)
{
	out_printf(out, "[");
	for (size_t i = 0; i < list->locations.count; i++) {
		const struct location_copy *location = &list->locations.items[i];

		put_json(out, location, state_text(location, list->scanning), &list->totals[i], i == 0);
	}
	out_printf(out, list->locations.count > 0 ? "\n]" : "]");
}

void location_list_print(const struct location_list *list, struct out *out, bool json, const char *indent)
{
	_cleanup_(table_release) struct table table = {.columns = COLUMNS, .right = 1 << 2 | 1 << 3, .indent = indent};

	if (json) {
		print_json(list, out);
		return;
	}
	for (size_t i = 0; i < list->locations.count; i++) {
		const struct location_copy *location = &list->locations.items[i];

		put_row(&table, location, state_text(location, list->scanning), &list->totals[i]);
	}
	table_print(&table, out);
}
