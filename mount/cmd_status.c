#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "index/index.h"
#include "mount/command.h"
#include "mount/event_cells.h"
#include "mount/library.h"
#include "mount/devices.h"
#include "mount/location_list.h"
#include "mount/standing.h"
#include "mount/table.h"
#include "store/collection.h"
#include "store/device.h"
#include "store/event.h"
#include "store/pair.h"
#include "store/store.h"

enum { EVENTS_SHOWN = 5 };

struct summary {
	const struct store_info *info;
	char *device; /* owned */
	uint64_t tags, albums, favorites;
	struct store_stats stats;
	struct index_status index;
	struct location_list locations;
	char library_id[UUID_TEXT_LEN + 1], device_id[UUID_TEXT_LEN + 1];
};

static void summary_release(struct summary *summary)
{
	free(summary->device);
	location_list_release(&summary->locations);
}

static int count_collections(struct db *db, enum collection_kind kind, uint64_t *ret_count)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct collection collection;
	int r = collection_list(db, kind, 0, &rows);

	*ret_count = 0;
	while (r == 0 && (r = collection_next(&rows, &collection)) == 0)
		(*ret_count)++;
	return r < 0 ? r : 0;
}

static int read_device(struct db *db, const struct store_info *info, char **ret_name)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_get(db, info->device_row, &device, &rows);

	if (r < 0)
		return r;
	*ret_name = strndup(device.name, device.name_len);
	return *ret_name ? 0 : -ENOMEM;
}

static int read_summary(struct call *call, struct summary *summary)
{
	struct db *db;
	int r = store_reader(call->library->store, &db);

	summary->info = store_info(call->library->store);
	uuid_to_text(&summary->info->library, summary->library_id);
	uuid_to_text(&summary->info->device, summary->device_id);
	if (r == 0)
		r = read_device(db, summary->info, &summary->device);
	if (r == 0)
		r = count_collections(db, COLLECTION_TAG, &summary->tags);
	if (r == 0)
		r = count_collections(db, COLLECTION_ALBUM, &summary->albums);
	if (r == 0)
		r = collection_count(db, COLLECTION_FAVORITES_ID, &summary->favorites);
	if (r == 0)
		r = store_stats(call->library->store, &summary->stats);
	if (r == 0)
		r = location_list_read(call->library, false, &summary->locations);
	index_status(call->library->index, &summary->index);
	return r;
}

/* --- for people --- */

static int put_event(void *arg, const struct event *event)
{
	event_cells(event, arg);
	return 0;
}

static int print_events(struct call *call)
{
	_cleanup_(table_release) struct table table = {.columns = 3, .indent = "  "};
	int r = event_list(call->library->store, EVENTS_SHOWN, put_event, &table);

	if (r < 0 || table.cells == 0)
		return r < 0 ? r : 0;
	out_printf(call->out, "last events\n");
	table_print(&table, call->out);
	return 0;
}

static void print_place(struct call *call)
{
	const struct library *library = call->library;

	out_printf(call->out, "folder     ");
	out_name_text(call->out, library->dir);
	out_printf(call->out, "\ndaemon     ");
	if (!library->is_daemon) {
		out_printf(call->out,
			   "none: nothing is watched or identified until the library is mounted or served\n");
		return;
	}
	out_printf(call->out, "process %ld, ", (long)getpid());
	out_printf(call->out, library->mountpoint ? "mounted on " : "not mounted");
	if (library->mountpoint)
		out_name_text(call->out, library->mountpoint);
	out_printf(call->out, "\n");
}

static void print_network(struct call *call, const char *name)
{
	enum core_state state = network_state(call->library->network);

	out_printf(call->out, "network    port %u, %s", network_port(call->library->network), core_state_name(state));
	if (state == CORE_PAUSED) {
		out_printf(call->out, ": resume with `shelf device set '");
		out_name_text(call->out, name);
		out_printf(call->out, "' sync on`");
	}
	out_printf(call->out, "\n");
}

/* One line for each other device; `name` is that of this one. */
static int print_devices(struct call *call, const char *name)
{
	_cleanup_(devices_release) struct devices devices = DEVICES_INIT;
	struct db *db;
	int r = store_reader(call->library->store, &db);

	if (r == 0)
		r = devices_read(db, NULL, &devices);
	if (call->library->network)
		print_network(call, name);
	for (size_t i = 0; r == 0 && i < devices.count; i++) {
		struct standing standing = standing_of(call->library, &devices.items[i].uuid);
		_cleanup_(buf_release) struct buf text = BUF_INIT;

		if (standing.self)
			continue;
		standing_text(&standing, &text);
		out_printf(call->out, "peer       ");
		out_name_text(call->out, devices.items[i].name);
		out_printf(call->out, ": %.*s\n", (int)text.len, (const char *)text.data);
	}
	return r;
}

static void print_index(struct call *call, const struct index_status *index)
{
	char watches[OUT_NUMBER_LEN];

	if (!call->library->is_daemon)
		return;
	out_printf(call->out, "watching   %s folders%s%s\n", out_count_text(index->watches, watches),
		   index->watch_limited ? " (the limit of the system; the rest is compared now and then)" : "",
		   index->scanning ? ", scanning" : "");
}

static void print_files(struct call *call, const struct location_totals *sum)
{
	char a[OUT_NUMBER_LEN], b[OUT_NUMBER_LEN], c[OUT_NUMBER_LEN];

	out_printf(call->out, "files      %s entries, %s", out_count_text(sum->entries, a),
		   out_size_text(sum->bytes, b));
	if (sum->unhashed > 0)
		out_printf(call->out, ", %s files not identified yet", out_count_text(sum->unhashed, c));
	out_printf(call->out, "\n");
}

static void print_numbers(struct call *call, const struct summary *s)
{
	char a[OUT_NUMBER_LEN], b[OUT_NUMBER_LEN], c[OUT_NUMBER_LEN];

	out_printf(call->out, "shared     %s tags, %s albums, %s favorites\n", out_count_text(s->tags, a),
		   out_count_text(s->albums, b), out_count_text(s->favorites, c));
	out_printf(call->out, "database   %s, write-ahead log %s, %s changes in the log\n",
		   out_size_text(s->stats.database_bytes, a), out_size_text(s->stats.wal_bytes, b),
		   out_count_text(s->stats.log_records, c));
}

static int print_text(struct call *call, const struct summary *s)
{
	int r;

	out_printf(call->out, "library    ");
	out_name_text(call->out, s->info->name);
	out_printf(call->out, "  (%s)\ndevice     ", s->library_id);
	out_name_text(call->out, s->device);
	out_printf(call->out, "  (%s)\n", s->device_id);
	print_place(call);
	r = print_devices(call, s->device);
	if (r < 0)
		return r;
	print_index(call, &s->index);
	print_files(call, &s->locations.sum);
	print_numbers(call, s);
	out_printf(call->out, "locations\n");
	location_list_print(&s->locations, call->out, false, "  ");
	return print_events(call);
}

/* --- JSON --- */

static void json_field(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, "  \"%s\": ", name);
	if (text)
		buf_json(b, text, strlen(text));
	else
		buf_append_str(b, "null");
	buf_append_str(b, ",\n");
}

static void json_number(struct buf *b, const char *name, uint64_t number)
{
	buf_printf(b, "  \"%s\": %llu,\n", name, (unsigned long long)number);
}

struct json_events {
	struct buf *b;
	bool some;
};

static int json_event(void *arg, const struct event *event)
{
	struct json_events *events = arg;

	buf_printf(events->b, "%s\n    {\"at_ms\": %lld, \"level\": ", events->some ? "," : "",
		   (long long)event->at_ms);
	buf_json(events->b, event->level, strlen(event->level));
	buf_append_str(events->b, ", \"text\": ");
	buf_json(events->b, event->text, strlen(event->text));
	buf_append_str(events->b, "}");
	events->some = true;
	return 0;
}

static void json_summary(struct buf *b, const struct call *call, const struct summary *s)
{
	const struct library *library = call->library;

	buf_append_str(b, "{\n");
	json_field(b, "library", s->info->name);
	json_field(b, "library_id", s->library_id);
	json_field(b, "folder", library->dir);
	json_field(b, "device", s->device);
	json_field(b, "device_id", s->device_id);
	json_field(b, "mountpoint", library->mountpoint);
	json_field(b, "state", library->network ? core_state_name(network_state(library->network)) : NULL);
	json_number(b, "daemon_pid", library->is_daemon ? (uint64_t)getpid() : 0);
	buf_printf(b, "  \"scanning\": %s,\n  \"watch_limited\": %s,\n", s->index.scanning ? "true" : "false",
		   s->index.watch_limited ? "true" : "false");
	json_number(b, "watches", s->index.watches);
	json_number(b, "entries", s->locations.sum.entries);
	json_number(b, "bytes", s->locations.sum.bytes);
	json_number(b, "unhashed", s->locations.sum.unhashed);
	json_number(b, "tags", s->tags);
	json_number(b, "albums", s->albums);
	json_number(b, "favorites", s->favorites);
	json_number(b, "database_bytes", s->stats.database_bytes);
	json_number(b, "wal_bytes", s->stats.wal_bytes);
	json_number(b, "log_records", s->stats.log_records);
}

static int json_peers(struct buf *b, struct call *call)
{
	_cleanup_(devices_release) struct devices devices = DEVICES_INIT;
	bool some = false;
	struct db *db;
	int r = store_reader(call->library->store, &db);

	if (r == 0)
		r = devices_read(db, NULL, &devices);
	buf_append_str(b, "  \"peers\": [");
	for (size_t i = 0; r == 0 && i < devices.count; i++) {
		struct standing standing = standing_of(call->library, &devices.items[i].uuid);

		if (standing.self)
			continue;
		buf_append_str(b, some ? ",\n    {\"name\": " : "\n    {\"name\": ");
		buf_json(b, devices.items[i].name, strlen(devices.items[i].name));
		standing_json(&standing, b);
		buf_append_str(b, "}");
		some = true;
	}
	buf_append_str(b, some ? "\n  ],\n" : "],\n");
	return r;
}

static int print_json(struct call *call, const struct summary *s)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;
	struct json_events events = {.b = &b};
	int r;

	json_summary(&b, call, s);
	r = json_peers(&b, call);
	buf_append_str(&b, "  \"events\": [");
	if (r >= 0)
		r = event_list(call->library->store, EVENTS_SHOWN, json_event, &events);
	buf_append_str(&b, events.some ? "\n  ],\n  \"locations\": " : "],\n  \"locations\": ");
	if (r >= 0)
		r = buf_error(&b);
	if (r < 0)
		return r;
	out_bytes(call->out, b.data, b.len);
	location_list_print(&s->locations, call->out, true, "");
	out_printf(call->out, "\n}\n");
	return 0;
}

int cmd_status(struct call *call)
{
	_cleanup_(summary_release) struct summary summary = {0};
	int r = read_summary(call, &summary);

	if (r == 0)
		r = args_has(call->args, "json") ? print_json(call, &summary) : print_text(call, &summary);
	return r < 0 ? out_fail(call->out, r, "cannot read the library") : EXITCODE_DONE;
}
