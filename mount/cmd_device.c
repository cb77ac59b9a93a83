#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mount/command.h"
#include "mount/devices.h"
#include "mount/library.h"
#include "mount/network.h"
#include "mount/standing.h"
#include "mount/table.h"
#include "net/address.h"
#include "store/audit.h"
#include "store/device.h"
#include "store/event.h"
#include "store/peer.h"
#include "store/store.h"
#include "sync/model.h"

/* --- list --- */

struct listing {
	struct library *library;
	struct table table;
	struct buf json;
	bool first;
};

static void put_json(struct listing *l, const char *name, const char *id, const struct standing *standing)
{
	buf_printf(&l->json, "%s\n  {\"name\": ", l->first ? "" : ",");
	buf_json(&l->json, name, strlen(name));
	buf_printf(&l->json, ", \"id\": \"%s\"", id);
	standing_json(standing, &l->json);
	buf_append_str(&l->json, "}");
	l->first = false;
}

static int put_device(struct listing *l, const char *name, const struct uuid *device)
{
	struct standing standing = standing_of(l->library, device);
	_cleanup_(buf_release) struct buf text = BUF_INIT;
	_cleanup_(free_ptr) char *state = NULL;
	char id[UUID_TEXT_LEN + 1], trip[32] = "";

	standing_text(&standing, &text);
	state = buf_take_str(&text);
	if (!state)
		return -ENOMEM;
	uuid_to_text(device, id);
	if (standing.round_trip_us > 0)
		snprintf(trip, sizeof(trip), "%.1f ms", standing.round_trip_us / 1000.0);
	table_cell(&l->table, name);
	table_cell(&l->table, id);
	table_cell(&l->table, state);
	table_cell(&l->table, standing.address);
	table_cell(&l->table, trip);
	put_json(l, name, id, &standing);
	return 0;
}

/* Copied out first: nothing is held while others are asked. */
static int gather(struct db *db, struct listing *l)
{
	_cleanup_(devices_release) struct devices devices = DEVICES_INIT;
	int r = devices_read(db, NULL, &devices);

	for (size_t i = 0; r == 0 && i < devices.count; i++)
		r = put_device(l, devices.items[i].name, &devices.items[i].uuid);
	return r;
}

static int print_listing(struct listing *l, struct call *call)
{
	if (buf_error(&l->json) < 0)
		return buf_error(&l->json);
	if (args_has(call->args, "json"))
		out_bytes(call->out, l->json.data, l->json.len);
	else
		table_print(&l->table, call->out);
	return 0;
}

int cmd_device_list(struct call *call)
{
	struct listing l = {.library = call->library, .table = {.columns = 5}, .first = true};
	struct db *db;
	int r = store_reader(call->library->store, &db);

	buf_append_str(&l.json, "[");
	if (r == 0)
		r = gather(db, &l);
	buf_append_str(&l.json, "\n]\n");
	if (r == 0)
		r = print_listing(&l, call);
	table_release(&l.table);
	buf_release(&l.json);
	return r < 0 ? out_fail(call->out, r, "cannot list the devices") : EXITCODE_DONE;
}

/* --- changing --- */

struct deed {
	struct device_copy device;
	const char *name; /* the new one */
};

static const struct store_write_opts interactive = {.priority = STORE_INTERACTIVE};

static int find(struct call *call, struct db **ret_db, struct device_copy *ret_device)
{
	int r = store_reader(call->library->store, ret_db);

	if (r < 0)
		return out_fail(call->out, r, "cannot list the devices");
	r = devices_find_or_say(*ret_db, call->args->words[0], call->out, ret_device);
	return r < 0 ? (int)exitcode_of(r) : EXITCODE_DONE;
}

static int do_rename(struct txn *txn, void *arg)
{
	const struct deed *deed = arg;
	int r = device_rename(txn, deed->device.id, deed->name, strlen(deed->name));

	return r < 0 ? r : audit_add(txn, "device rename", deed->name);
}

int cmd_device_rename(struct call *call)
{
	struct deed deed = {.name = call->args->words[1]};
	struct db *db;
	int code = find(call, &db, &deed.device);
	int r;

	if (code != EXITCODE_DONE)
		return code;
	r = store_write(call->library->store, &interactive, do_rename, &deed);
	if (r == -EINVAL) {
		out_error(call->out,
			  "'%s' cannot be the name of a device: 1 to 255 bytes of UTF-8 without '/' and control "
			  "characters",
			  deed.name);
		return EXITCODE_USAGE;
	}
	return r < 0 ? out_fail(call->out, r, "cannot rename the device '%s'", deed.device.name) : EXITCODE_DONE;
}

/* --- remove --- */

static int do_remove(struct txn *txn, void *arg)
{
	const struct deed *deed = arg;
	int r = device_remove(txn, deed->device.id);

	return r < 0 ? r : audit_add(txn, "device remove", deed->device.name);
}

static void print_device(struct call *call, const char *before, const struct device_copy *device, const char *after)
{
	char id[UUID_TEXT_LEN + 1];

	uuid_to_text(&device->uuid, id);
	out_printf(call->out, "%s", before);
	out_name_text(call->out, device->name);
	out_printf(call->out, "  (%s)%s", id, after);
}

static void print_removal(struct call *call, const struct device_copy *device, const struct devices *added)
{
	print_device(call, "Removed ", device, ". What was tagged on it stays tagged.\n");
	if (added->count > 0)
		out_printf(call->out, "It had added:\n");
	for (size_t i = 0; i < added->count; i++)
		print_device(call, "  ", &added->items[i], added->items[i].member ? "\n" : ", removed\n");
}

static void json_device(struct buf *b, const struct device_copy *device, const char *more)
{
	char id[UUID_TEXT_LEN + 1];

	uuid_to_text(&device->uuid, id);
	buf_append_str(b, "{\"name\": ");
	buf_json(b, device->name, strlen(device->name));
	buf_printf(b, ", \"id\": \"%s\"%s}", id, more);
}

static int print_removal_json(struct call *call, const struct device_copy *device, const struct devices *added)
{
	_cleanup_(buf_release) struct buf b = BUF_INIT;

	buf_append_str(&b, "{\"removed\": ");
	json_device(&b, device, "");
	buf_append_str(&b, ", \"had_added\": [");
	for (size_t i = 0; i < added->count; i++) {
		buf_append_str(&b, i > 0 ? ",\n  " : "\n  ");
		json_device(&b, &added->items[i],
			    added->items[i].member ? ", \"member\": true" : ", \"member\": false");
	}
	buf_append_str(&b, added->count > 0 ? "\n]}\n" : "]}\n");
	if (buf_error(&b) == 0)
		out_bytes(call->out, b.data, b.len);
	return buf_error(&b);
}

/* What this device alone knows of it goes too; that may fail, as sync.db may be lost. */
static void forget(struct call *call, const struct device_copy *device)
{
	char text[TEXT_NAME_MAX + 64];

	snprintf(text, sizeof(text), "the device %s was removed from the library", device->name);
	(void)event_add(call->library->store, "info", text);
	(void)peer_forget(call->library->store, &device->uuid);
}

static int fail_remove(struct call *call, int r, const struct device_copy *device)
{
	if (r == -EPERM) {
		out_error(call->out, "'%s' is this device: remove it on another one, which tells the others",
			  device->name);
		return EXITCODE_NOT_ALLOWED;
	}
	return out_fail(call->out, r, "cannot remove the device '%s'", device->name);
}

int cmd_device_remove(struct call *call)
{
	_cleanup_(devices_release) struct devices added = DEVICES_INIT;
	struct deed deed = {0};
	struct db *db;
	int code = find(call, &db, &deed.device);
	int r;

	if (code != EXITCODE_DONE)
		return code;
	r = store_write(call->library->store, &interactive, do_remove, &deed);
	if (r < 0)
		return fail_remove(call, r, &deed.device);
	forget(call, &deed.device);
	r = devices_read(db, &deed.device.uuid, &added);
	if (r == 0 && args_has(call->args, "json"))
		r = print_removal_json(call, &deed.device, &added);
	else if (r == 0)
		print_removal(call, &deed.device, &added);
	return r < 0 ? out_fail(call->out, r, "it was removed, but what it had added cannot be listed") : EXITCODE_DONE;
}

/* --- set --- */

static int read_switch(struct call *call, bool *ret_on)
{
	const char *word = call->args->words[2];

	*ret_on = strcmp(word, "on") == 0;
	if (*ret_on || strcmp(word, "off") == 0)
		return 0;
	out_error(call->out, "'%s' is neither on nor off", word);
	return -EINVAL;
}

static int set_switch(struct call *call, const struct uuid *device, bool files)
{
	struct store *store = call->library->store;
	const uint32_t bit = UINT32_C(1) << (MODEL_ENTRY - MODEL_LOCATION);
	struct peer peer;
	bool on;
	int r = read_switch(call, &on);

	if (r == 0)
		r = peer_get(store, device, &peer);
	if (r < 0)
		return r;
	if (files)
		peer.settings.kinds = on ? peer.settings.kinds | bit : peer.settings.kinds & ~bit;
	else
		peer.settings.sync = on;
	return peer_set(store, device, &peer.settings);
}

static int set_address(struct call *call, const struct uuid *device, bool add)
{
	const char *address = call->args->words[2];
	char host[NODE_ADDRESS_TEXT];
	uint16_t port;

	if (address_split(address, host, &port) < 0) {
		out_error(call->out, "'%s' is no HOST:PORT, as 192.168.1.5:21000, nas.local:21000 or [2001:db8::5]:21000", address);
		return -EINVAL;
	}
	if (add)
		return peer_add_address(call->library->store, device, address);
	if (call->library->network)
		(void)network_forget_address(call->library->network, device, address);
	return peer_remove_address(call->library->store, device, address);
}

/* "200k", "2M", "off": bytes a second, both ways together. */
static int read_limit(struct call *call, uint64_t *ret_limit)
{
	const char *word = call->args->words[2];
	char *end;
	unsigned long long number;

	*ret_limit = 0;
	if (strcmp(word, "off") == 0)
		return 0;
	number = strtoull(word, &end, 10);
	if (*word >= '0' && *word <= '9' && (strcmp(end, "k") == 0 || strcmp(end, "M") == 0) && number > 0 && number < 1000000) {
		*ret_limit = number * (*end == 'k' ? 1000 : 1000000);
		return 0;
	}
	out_error(call->out, "'%s' is no limit: write 200k or 2M (bytes a second), or off", word);
	return -EINVAL;
}

static int set_limit(struct call *call, const struct uuid *device)
{
	struct peer peer;
	uint64_t limit;
	int r = read_limit(call, &limit);

	if (r == 0)
		r = peer_get(call->library->store, device, &peer);
	if (r < 0)
		return r;
	peer.settings.limit_bytes = limit;
	return peer_set(call->library->store, device, &peer.settings);
}

static int set(struct call *call, const struct uuid *device)
{
	const char *what = call->args->words[1];

	if (strcmp(what, "sync") == 0 || strcmp(what, "files") == 0)
		return set_switch(call, device, what[0] == 'f');
	if (strcmp(what, "limit") == 0)
		return set_limit(call, device);
	if (strcmp(what, "address") == 0 || strcmp(what, "no-address") == 0)
		return set_address(call, device, what[0] == 'a');
	out_error(call->out, "'%s' cannot be set: sync, files, limit, address and no-address can", what);
	return -EINVAL;
}

int cmd_device_set(struct call *call)
{
	struct device_copy device;
	struct db *db;
	int code = find(call, &db, &device);
	int r;

	if (code != EXITCODE_DONE)
		return code;
	if (device.self && strcmp(call->args->words[1], "sync") != 0) {
		out_error(call->out, "'%s' is this device: only sync can be set for it, the rest is for the others", device.name);
		return EXITCODE_USAGE;
	}
	r = set(call, &device.uuid);
	if (r == -EINVAL)
		return EXITCODE_USAGE;
	if (r < 0)
		return out_fail(call->out, r, "cannot set that for '%s'", device.name);
	if (call->library->network)
		network_refresh(call->library->network);
	return EXITCODE_DONE;
}
