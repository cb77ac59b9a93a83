#include "mount/standing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "mount/library.h"
#include "mount/out.h"
#include "store/store.h"

enum { CLOCK_SHOWN_S = 2 }; /* less is not worth a word */

static void add_live(struct library *library, const struct uuid *device, struct standing *s)
{
	struct network_peer peer;

	if (!library->network || network_peer(library->network, device, &peer) < 0)
		return;
	s->online = peer.node.connected;
	if (peer.node.last_seen_ms > s->seen_ms)
		s->seen_ms = peer.node.last_seen_ms;
	if (peer.node.address[0] != '\0' && (peer.node.connected || s->address[0] == '\0'))
		snprintf(s->address, sizeof(s->address), "%.*s", (int)sizeof(s->address) - 1, peer.node.address);
	s->round_trip_us = peer.node.round_trip_us;
	s->bytes_in = peer.node.bytes_in;
	s->bytes_out = peer.node.bytes_out;
	s->has_core = peer.has_core;
	if (!peer.has_core)
		return;
	s->behind_shared = peer.core.behind_log;
	s->behind_files = peer.core.behind_state;
	s->ahead_shared = peer.core.ahead_log;
	s->ahead_files = peer.core.ahead_state;
	s->clock_offset_ms = peer.core.clock_offset_ms;
	s->clock_differs = peer.core.clock_differs;
}

struct standing standing_of(struct library *library, const struct uuid *device)
{
	struct standing s = {.self = uuid_cmp(device, &store_info(library->store)->device) == 0};
	struct peer peer = {.settings = PEER_SETTINGS_DEFAULT};
	int r = peer_get(library->store, device, &peer);

	s.sync = peer.settings.sync;
	if (s.self)
		return s;
	if (r == 0) {
		s.seen_ms = peer.seen_ms;
		snprintf(s.address, sizeof(s.address), "%s", peer.address);
		snprintf(s.error, sizeof(s.error), "%s", peer.error);
	}
	add_live(library, device, &s);
	return s;
}

static void put_when(uint64_t ms, struct buf *text)
{
	time_t seconds = (time_t)(ms / 1000);
	char when[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	buf_append_str(text, when);
}

static const char *change_word(uint64_t count)
{
	return count == 1 ? "change" : "changes";
}

static void put_counts(struct buf *text, uint64_t shared, uint64_t files, const char *what)
{
	char a[OUT_NUMBER_LEN], b[OUT_NUMBER_LEN];

	if (shared > 0)
		buf_printf(text, ", %s shared %s", out_count_text(shared, a), change_word(shared));
	if (files > 0)
		buf_printf(text, "%s%s %s of files", shared > 0 ? " and " : ", ", out_count_text(files, b),
			   change_word(files));
	if (shared > 0 || files > 0)
		buf_printf(text, " %s", what);
}

static void put_clock(struct buf *text, const struct standing *s)
{
	int64_t offset_s = s->clock_offset_ms / 1000;

	if (s->clock_differs || offset_s > CLOCK_SHOWN_S || offset_s < -CLOCK_SHOWN_S)
		buf_printf(text, ", its clock is %lld s %s%s", (long long)(offset_s < 0 ? -offset_s : offset_s),
			   offset_s < 0 ? "behind" : "ahead", s->clock_differs ? ": nothing is exchanged" : "");
}

void standing_text(const struct standing *s, struct buf *ret_text)
{
	if (s->self) {
		buf_append_str(ret_text, s->sync ? "this device" : "this device, sync off");
		return;
	}
	buf_append_str(ret_text, s->online ? "online" : "offline");
	if (!s->online && s->seen_ms > 0) {
		buf_append_str(ret_text, ", last seen ");
		put_when(s->seen_ms, ret_text);
	} else if (!s->online) {
		buf_append_str(ret_text, ", never seen");
	}
	if (!s->sync)
		buf_append_str(ret_text, ", sync off");
	if (s->online && s->has_core)
		put_clock(ret_text, s);
	if (s->has_core) {
		put_counts(ret_text, s->behind_shared, s->behind_files, "to go there");
		put_counts(ret_text, s->ahead_shared, s->ahead_files, "to come");
	}
	if (!s->online && s->error[0] != '\0')
		buf_printf(ret_text, " (%s)", s->error);
}

void standing_json(const struct standing *s, struct buf *b)
{
	buf_printf(b, ", \"this\": %s, \"sync\": %s", s->self ? "true" : "false", s->sync ? "true" : "false");
	if (s->self)
		return;
	buf_printf(b, ", \"online\": %s, \"seen_ms\": %llu, \"address\": ", s->online ? "true" : "false",
		   (unsigned long long)s->seen_ms);
	buf_json(b, s->address, strlen(s->address));
	buf_printf(b, ", \"round_trip_us\": %u", s->round_trip_us);
	if (s->has_core)
		buf_printf(b,
			   ", \"behind_shared\": %llu, \"behind_files\": %llu, \"ahead_shared\": %llu, \"ahead_files\": %llu, "
			   "\"clock_offset_ms\": %lld",
			   (unsigned long long)s->behind_shared, (unsigned long long)s->behind_files,
			   (unsigned long long)s->ahead_shared, (unsigned long long)s->ahead_files,
			   (long long)s->clock_offset_ms);
	buf_append_str(b, ", \"error\": ");
	buf_json(b, s->error, strlen(s->error));
}
