#include "mount/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/device.h"
#include "sync/naming.h"

void devices_release(struct devices *devices)
{
	free(devices->items);
	*devices = DEVICES_INIT;
}

static int push(struct devices *devices, const struct device *device)
{
	struct device_copy *copy;

	if (devices->count == devices->capacity) {
		size_t capacity = devices->capacity ? 2 * devices->capacity : 8;
		struct device_copy *items = reallocarray(devices->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		devices->items = items;
		devices->capacity = capacity;
	}
	copy = &devices->items[devices->count++];
	*copy = (struct device_copy){
	    .id = device->id, .uuid = device->uuid, .self = device->self, .member = device->member};
	memcpy(copy->name, device->name, device->name_len < TEXT_NAME_MAX ? device->name_len : TEXT_NAME_MAX);
	return 0;
}

static bool is_wanted(const struct device *device, const struct uuid *added_by)
{
	if (!added_by)
		return device->member;
	return uuid_cmp(&device->added_by, added_by) == 0 && uuid_cmp(&device->uuid, added_by) != 0;
}

int devices_read(struct db *db, const struct uuid *added_by, struct devices *ret_devices)
{
	_cleanup_(devices_release) struct devices devices = DEVICES_INIT;
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	struct device device;
	int r = device_list_all(db, 0, &rows);

	while (r == 0 && (r = device_next(&rows, &device)) == 0) {
		if (is_wanted(&device, added_by))
			r = push(&devices, &device);
	}
	if (r < 0)
		return r;
	*ret_devices = devices;
	devices = DEVICES_INIT; /* handed over */
	return 0;
}

/* Unlike a name, these mean one device alone. */
static bool is_exactly(const struct device_copy *device, const char *word)
{
	char text[TEXT_NAME_MAX + 1];

	uuid_to_text(&device->uuid, text);
	if (strcmp(text, word) == 0)
		return true;
	naming_suffixed(device->name, strlen(device->name), false, &device->uuid, text);
	return strcmp(text, word) == 0;
}

static const struct device_copy *find(const struct devices *devices, const char *word, size_t *ret_count)
{
	const struct device_copy *found = NULL;

	*ret_count = 1;
	for (size_t i = 0; i < devices->count; i++)
		if (is_exactly(&devices->items[i], word))
			return &devices->items[i];
	*ret_count = 0;
	for (size_t i = 0; i < devices->count; i++) {
		if (strcmp(devices->items[i].name, word) != 0)
			continue;
		found = &devices->items[i];
		++*ret_count;
	}
	return found;
}

static void say_which(const struct devices *devices, const char *word, struct out *out)
{
	char id[UUID_TEXT_LEN + 1];

	out_error(out, "more than one device is called '%s': say which by its id", word);
	for (size_t i = 0; i < devices->count; i++) {
		if (strcmp(devices->items[i].name, word) != 0)
			continue;
		uuid_to_text(&devices->items[i].uuid, id);
		out_note(out, "  %s%s", id, devices->items[i].self ? "  (this device)" : "");
	}
}

int devices_find_or_say(struct db *db, const char *word, struct out *out, struct device_copy *ret_device)
{
	_cleanup_(devices_release) struct devices devices = DEVICES_INIT;
	const struct device_copy *found;
	size_t count = 0;
	int r = devices_read(db, NULL, &devices);

	if (r < 0) {
		out_fail(out, r, "cannot list the devices");
		return r;
	}
	found = find(&devices, word, &count);
	if (count == 1) {
		*ret_device = *found;
		return 0;
	}
	if (count == 0)
		out_error(out, "the library has no device called '%s'; `shelf device list` shows all", word);
	else
		say_which(&devices, word, out);
	return -ENOENT;
}
