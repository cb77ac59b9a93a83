/* Which devices were heard lately, and where: so that a newcomer is noticed, and nobody is told of the same one more
 * often than it makes sense to dial. Bounded in number and rate (net/limits.h), whatever is sent.
 *
 * A step machine: times of one monotonic clock in. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/uuid.h"
#include "net/limits.h"

struct sighting {
	struct uuid device;
	uint64_t instance;		 /* another one: it was restarted */
	struct sockaddr_storage address; /* with the TCP port; unused bytes are zero */
	uint64_t heard_ms;
	uint64_t told_ms;
};

struct sightings {
	struct sighting all[DISCOVERY_SIGHTINGS_MAX];
	unsigned count;
	uint64_t second_ms; /* the second that `parsed` counts began then */
	unsigned parsed;
};

enum sighting_kind {
	SIGHTING_NEW,	/* to be told */
	SIGHTING_AGAIN, /* as well */
	SIGHTING_RECENT /* told less than DISCOVERY_TELL_MS ago */
};

/* All zero is a good start. One more datagram has come: whether it may be looked into. */
bool sightings_admit(struct sightings *s, uint64_t now_ms);

/* Device, instance and address of `seen` count. When there is no room, the one not heard for longest goes. */
enum sighting_kind sightings_note(struct sightings *s, uint64_t now_ms, const struct sighting *seen);

void sightings_forget(struct sightings *s, const struct uuid *device, uint64_t instance);
