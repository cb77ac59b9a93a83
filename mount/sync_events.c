#include "mount/sync_events.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "store/device.h"
#include "store/event.h"

struct sentence {
	enum core_event event;
	const char *level;
	const char *format; /* %s is the device */
};

static const struct sentence sentences[] = {
	{CORE_EVENT_PEER_ONLINE, "info", "%s is online"},
	{CORE_EVENT_PEER_OFFLINE, "info", "%s is offline"},
	{CORE_EVENT_PEER_RULES, "error", "%s sent something that it may not send; nothing is exchanged with it for ten minutes"},
	{CORE_EVENT_PEER_CLOCK, "warning",
	 "the clock of %s differs from this device's by more than five minutes: nothing is exchanged until both agree; set them"},
	{CORE_EVENT_PEER_CLOCK_OK, "info", "the clock of %s agrees again"},
	{CORE_EVENT_PEER_CLOCK_WARN, "warning", "the clock of %s differs from this device's by more than a minute; set them"},
	{CORE_EVENT_PEER_VERSION, "warning", "%s speaks another version of shelf; update the older one"},
	{CORE_EVENT_PEER_LIBRARY, "error", "%s has another library"},
	{CORE_EVENT_PEER_CLONE, "error",
	 "two devices use the key of %s: one of them is a copy; nothing is exchanged with either until one is removed"},
	{CORE_EVENT_PEER_REFUSED, "warning", "%s ended the connection"},
	{CORE_EVENT_HELD, "warning", "changes of %s are dated in the future; they are held until then"},
	{CORE_EVENT_REWOUND, "warning",
	 "%s has more of this device's changes than this device: the library was set back, and goes on as a new life"},
	{CORE_EVENT_CLOCK_REPAIR, "warning", "the clock of this device was ahead; what nobody has seen yet is dated anew"},
	{CORE_EVENT_FORKED, "warning", "%s has another history of the same changes; both are merged"},
	{CORE_EVENT_DIGEST, "warning", "%s has other rows than this device at the same point; they are compared anew"},
	{CORE_EVENT_SNAPSHOT, "info", "all tags and albums were taken over from %s at once"},
	{CORE_EVENT_LOG_CUT, "info", "the log was cut though not every device has all of it; they catch up by a snapshot"},
	{CORE_EVENT_LIVES, "error",
	 "this library was set back so often that other devices will take no more of it: remove this device on another one,"
	 " and join again"},
	{CORE_EVENT_REPLICA, "error", "the catalogue could not be read or written; replication tries again"},
};

/* The name of a device, or its id where that is not known. */
static void name_of(struct store *store, const struct uuid *id, char *ret_name, size_t size)
{
	_cleanup_(rows_release) struct rows rows = ROWS_INIT;
	char text[UUID_TEXT_LEN + 1];
	struct device device;
	struct db *db;
	int r = store_reader(store, &db);

	if (r == 0)
		r = device_find(db, id, &device, &rows);
	if (r == 0 && device.name_len > 0) {
		snprintf(ret_name, size, "%.*s", (int)device.name_len, device.name);
		return;
	}
	uuid_to_text(id, text);
	snprintf(ret_name, size, "the device %s", text);
}

void sync_events_tell(struct store *store, enum core_event event, const struct uuid *peer, const char *text)
{
	char name[300], line[700];
	size_t len;

	name_of(store, peer, name, sizeof(name));
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		const struct sentence *s = &sentences[i];

		if (s->event != event)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(line, sizeof(line), s->format, name);
#pragma GCC diagnostic pop
		len = strlen(line);
		if (text[0] != '\0')
			snprintf(line + len, sizeof(line) - len, " (%s)", text);
		(void)event_add(store, s->level, line);
		log_info("%s", line);
		return;
	}
}

void sync_events_tell_state(struct store *store, enum core_state state)
{
	static const char *const meanings[] = {
		[CORE_UNINITIALIZED] = "nothing is known of its members",
		[CORE_BACKFILLING] = "what the other devices have comes in",
		[CORE_CATCHING_UP] = "other devices have changes that are not here yet",
		[CORE_READY] = "nothing is known that is not here",
		[CORE_PAUSED] = "nothing is exchanged until sync is on again",
	};
	char line[128];

	snprintf(line, sizeof(line), "%s: %s", core_state_name(state), meanings[state]);
	(void)event_add(store, "info", line);
	log_info("%s", line);
}
