#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mount/command.h"
#include "mount/library.h"
#include "mount/table.h"
#include "store/device.h"
#include "store/store.h"

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
