/* `events` and `metrics`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "index/index.h"
#include "mount/command.h"
#include "mount/devices.h"
#include "mount/event_cells.h"
#include "mount/library.h"
#include "mount/location_list.h"
#include "mount/network.h"
#include "mount/standing.h"
#include "mount/table.h"
#include "store/event.h"
#include "store/store.h"

enum { EVENTS_DEFAULT = 100, EVENTS_MAX = 10000 };

struct listing {
	struct table table;
	struct buf json;
	bool first;
};

static int put_event(void *arg, const struct event *event)
{
	struct listing *l = arg;

	event_cells(event, &l->table);
	buf_printf(&l->json, "%s\n  {\"id\": %lld, \"at_ms\": %lld, \"times\": %lld, \"last_ms\": %lld, \"level\": ",
		   l->first ? "" : ",", (long long)event->id, (long long)event->at_ms, (long long)event->times,
		   (long long)event->last_ms);
	buf_json(&l->json, event->level, strlen(event->level));
	buf_append_str(&l->json, ", \"text\": ");
	buf_json(&l->json, event->text, strlen(event->text));
	buf_append_str(&l->json, "}");
	l->first = false;
	return 0;
}

static int read_count(struct call *call, unsigned *ret_count)
{
	const char *text = args_value(call->args, "count");
	char *end;
	unsigned long count;

	*ret_count = EVENTS_DEFAULT;
	if (!text)
		return 0;
	count = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || count == 0 || count > EVENTS_MAX) {
		out_error(call->out, "--count wants a number from 1 to 10000, not '%s'", text);
		return -EINVAL;
	}
	*ret_count = (unsigned)count;
	return 0;
}

int cmd_events(struct call *call)
{
	struct listing l = {.table = {.columns = 3}, .first = true};
	unsigned count;
	int r;

	if (read_count(call, &count) < 0)
		return EXITCODE_USAGE;
	buf_append_str(&l.json, "[");
	r = event_list(call->library->store, count, put_event, &l);
	buf_append_str(&l.json, "\n]\n");
	if (r >= 0)
		r = buf_error(&l.json);
	if (r >= 0 && args_has(call->args, "json"))
		out_bytes(call->out, l.json.data, l.json.len);
	else if (r >= 0)
		table_print(&l.table, call->out);
	table_release(&l.table);
	buf_release(&l.json);
	return r < 0 ? out_fail(call->out, r, "cannot read the events") : EXITCODE_DONE;
}

/* --- metrics: the text format of Prometheus --- */

static void put_metric(struct call *call, const char *name, const char *type, const char *help, double value)
{
	out_printf(call->out, "# HELP shelf_%s %s\n# TYPE shelf_%s %s\nshelf_%s %.15g\n", name, help, name, type, name, value);
}

/* Quotes, backslashes and newlines are escaped in label values. */
static void put_label(struct call *call, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			out_printf(call->out, "\\");
		out_bytes(call->out, text, 1);
	}
}

struct peer_metric {
	const char *name, *type, *help;
	double (*value)(const struct standing *standing);
};

static double online_of(const struct standing *s)
{
	return s->online;
}

static double behind_of(const struct standing *s)
{
	return (double)(s->behind_shared + s->behind_files);
}

static double ahead_of(const struct standing *s)
{
	return (double)(s->ahead_shared + s->ahead_files);
}

static double trip_of(const struct standing *s)
{
	return s->round_trip_us / 1e6;
}

static double offset_of(const struct standing *s)
{
	return (double)s->clock_offset_ms / 1000;
}

static double seen_of(const struct standing *s)
{
	return (double)s->seen_ms / 1000;
}

static double in_of(const struct standing *s)
{
	return (double)s->bytes_in;
}

static double out_of(const struct standing *s)
{
	return (double)s->bytes_out;
}

static const struct peer_metric peer_metrics[] = {
	{"peer_online", "gauge", "Whether a connection to the device stands", online_of},
	{"peer_behind_changes", "gauge", "Changes that this device has and the other one lacks", behind_of},
	{"peer_ahead_changes", "gauge", "Changes that the other device has and this one lacks", ahead_of},
	{"peer_round_trip_seconds", "gauge", "Round trip of the connection", trip_of},
	{"peer_clock_offset_seconds", "gauge", "The other device's clock less this one's", offset_of},
	{"peer_last_seen_seconds", "gauge", "When it was last heard, seconds since 1970", seen_of},
	{"peer_received_bytes_total", "counter", "Bytes that came from the device", in_of},
	{"peer_sent_bytes_total", "counter", "Bytes that went to the device", out_of},
};

static int put_peers(struct call *call)
{
	_cleanup_(devices_release) struct devices devices = DEVICES_INIT;
	struct db *db;
	int r = store_reader(call->library->store, &db);

	if (r == 0)
		r = devices_read(db, NULL, &devices);
	for (size_t m = 0; r == 0 && m < sizeof(peer_metrics) / sizeof(peer_metrics[0]); m++) {
		const struct peer_metric *metric = &peer_metrics[m];

		out_printf(call->out, "# HELP shelf_%s %s\n# TYPE shelf_%s %s\n", metric->name, metric->help, metric->name,
			   metric->type);
		for (size_t i = 0; i < devices.count; i++) {
			struct standing standing = standing_of(call->library, &devices.items[i].uuid);
			char id[UUID_TEXT_LEN + 1];

			if (standing.self)
				continue;
			uuid_to_text(&devices.items[i].uuid, id);
			out_printf(call->out, "shelf_%s{device=\"", metric->name);
			put_label(call, devices.items[i].name);
			out_printf(call->out, "\",id=\"%s\"} %.15g\n", id, metric->value(&standing));
		}
	}
	return r;
}

int cmd_metrics(struct call *call)
{
	struct location_list locations = {0};
	struct index_status index;
	struct store_stats stats;
	int r = store_stats(call->library->store, &stats);

	if (r == 0)
		r = location_list_read(call->library, false, &locations);
	if (r == 0) {
		put_metric(call, "database_bytes", "gauge", "Size of database.db", (double)stats.database_bytes);
		put_metric(call, "wal_bytes", "gauge", "Size of its write-ahead log", (double)stats.wal_bytes);
		put_metric(call, "commits_total", "counter", "Commits since this process began", (double)stats.commits);
		put_metric(call, "log_records", "gauge", "Shared changes that not every device is known to have",
			   (double)stats.log_records);
		put_metric(call, "entries", "gauge", "Files, folders and links in this device's locations",
			   (double)locations.sum.entries);
		index_status(call->library->index, &index);
		put_metric(call, "watches", "gauge", "Folders that are watched", (double)index.watches);
		put_metric(call, "state", "gauge", "0 uninitialized, 1 backfilling, 2 catching up, 3 ready, 4 paused (device set: sync on resumes)",
			   call->library->network ? (double)network_state(call->library->network) : 0);
		r = put_peers(call);
	}
	location_list_release(&locations);
	return r < 0 ? out_fail(call->out, r, "cannot read the numbers") : EXITCODE_DONE;
}
