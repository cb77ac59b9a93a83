/* What a person is told of the core. */
#include "sync/core_internal.h"

#include <string.h>

const char *core_state_name(enum core_state state)
{
	static const char *const names[] = {
	    [CORE_UNINITIALIZED] = "Uninitialized",
	    [CORE_BACKFILLING] = "Backfilling",
	    [CORE_CATCHING_UP] = "CatchingUp",
	    [CORE_READY] = "Ready",
	    [CORE_PAUSED] = "Paused",
	};

	return names[state];
}

const char *core_event_name(enum core_event event)
{
	static const char *const names[] = {
	    [CORE_EVENT_PEER_ONLINE] = "peer online",
	    [CORE_EVENT_PEER_OFFLINE] = "peer offline",
	    [CORE_EVENT_PEER_RULES] = "peer broke the rules",
	    [CORE_EVENT_PEER_CLOCK] = "clock of a peer differs: nothing is exchanged",
	    [CORE_EVENT_PEER_CLOCK_OK] = "clock of a peer agrees again",
	    [CORE_EVENT_PEER_CLOCK_WARN] = "clock of a peer differs by more than a minute",
	    [CORE_EVENT_PEER_VERSION] = "peer speaks no version that this device speaks",
	    [CORE_EVENT_PEER_LIBRARY] = "peer has another library",
	    [CORE_EVENT_PEER_CLONE] = "two live devices with one key",
	    [CORE_EVENT_PEER_REFUSED] = "peer refused this device",
	    [CORE_EVENT_HELD] = "changes stamped in the future are held",
	    [CORE_EVENT_REWOUND] = "this database is older than what a peer has of it: new epoch",
	    [CORE_EVENT_CLOCK_REPAIR] = "this device's stamps were ahead: new epoch",
	    [CORE_EVENT_FORKED] = "two histories of one origin: snapshots are merged",
	    [CORE_EVENT_DIGEST] = "rows differ at equal positions: resync",
	    [CORE_EVENT_SNAPSHOT] = "a snapshot was merged",
	    [CORE_EVENT_LOG_CUT] = "the log was cut by size",
    [CORE_EVENT_LIVES] = "this device has had too many lives",
	    [CORE_EVENT_REPLICA] = "the database failed",
	};

	return names[event];
}

static void count_difference(const struct vector *has, const struct vector *lacks, uint64_t *ret_log,
			     uint64_t *ret_state)
{
	for (size_t i = 0; i < has->count; i++) {
		const struct stream *s = &has->items[i];
		const struct stream *other = vector_find(lacks, &s->id);
		uint64_t position = other ? other->position : 0;

		if (s->position > position)
			*(s->id.kind == STREAM_LOG ? ret_log : ret_state) += s->position - position;
	}
}

bool core_peer_at(const struct core *core, size_t i, struct core_peer *ret_peer)
{
	const struct peer *peer;

	if (i >= core->peer_count)
		return false;
	peer = core->peers[i];
	*ret_peer = (struct core_peer){.device = peer->device,
				       .online = peer->up && peer->greeted,
				       .clock_differs = peer->clock_differs,
				       .clock_offset_ms = peer->clock_offset_ms,
				       .round_trip_ms = peer->round_trip_ms,
				       .heard_ms = peer->heard_ms};
	memcpy(ret_peer->software, peer->software, sizeof(ret_peer->software));
	count_difference(&core->own, &peer->vector, &ret_peer->behind_log, &ret_peer->behind_state);
	count_difference(&peer->vector, &core->own, &ret_peer->ahead_log, &ret_peer->ahead_state);
	return true;
}

bool core_compare(const struct core *core, size_t i, struct core_comparison *ret_comparison)
{
	if (i >= core->peer_count)
		return false;
	*ret_comparison = core->peers[i]->compared;
	return true;
}
