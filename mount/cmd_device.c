#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mount/command.h"
#include "mount/devices.h"
#include "mount/library.h"
#include "mount/table.h"
#include "store/audit.h"
#include "store/device.h"
#include "store/event.h"
#include "store/peer.h"
#include "store/store.h"

/* --- list --- */

static void put_json(struct buf *b, const char *name, const char *id, bool self, bool first)
{
	buf_printf(b, "%s\n  {\"name\": ", first ? "" : ",");
	buf_json(b, name, strlen(name));
	buf_printf(b, ", \"id\": \"%s\", \"this\": %s}", id, self ? "true" : "false");
}

/* Copied out first: nothing is held while it is written. */
static int gather(struct db *db, struct table *table, struct buf *json)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	bool first = true;
	int r = device_list(db, 0, &rows);

	while (r == 0 && (r = device_next(&rows, &device)) == 0) {
		_cleanup_(free_ptr) char *name = strndup(device.name, device.name_len);
		char id[UUID_TEXT_LEN + 1];

		if (!name)
			return -ENOMEM;
		uuid_to_text(&device.uuid, id);
		table_cell(table, name);
		table_cell(table, id);
		table_cell(table, device.self ? "this device" : "");
		put_json(json, name, id, device.self, first);
		first = false;
	}
	return r < 0 ? r : 0;
}

int cmd_device_list(struct call *call)
{
	_cleanup_(table_release) struct table table = {.columns = 3};
	_cleanup_(buf_release) struct buf json = BUF_INIT;
	struct db *db;
	int r = store_reader(call->library->store, &db);

	buf_append_str(&json, "[");
	if (r == 0)
		r = gather(db, &table, &json);
	buf_append_str(&json, "\n]\n");
	if (r == 0)
		r = buf_error(&json);
	if (r < 0)
		return out_fail(call->out, r, "cannot list the devices");
	if (args_has(call->args, "json"))
		out_bytes(call->out, json.data, json.len);
	else
		table_print(&table, call->out);
	return EXITCODE_DONE;
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
