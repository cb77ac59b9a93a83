#include "net/sightings.h"

#include <string.h>

enum { SECOND_MS = 1000 };

bool sightings_admit(struct sightings *s, uint64_t now_ms)
{
	if (now_ms - s->second_ms >= SECOND_MS) {
		s->second_ms = now_ms;
		s->parsed = 0;
	}
	if (s->parsed >= DISCOVERY_PARSED_MAX)
		return false;
	s->parsed++;
	return true;
}

static void drop(struct sightings *s, unsigned at)
{
	s->all[at] = s->all[--s->count];
}

static void drop_old(struct sightings *s, uint64_t now_ms)
{
	for (unsigned i = s->count; i-- > 0;)
		if (now_ms - s->all[i].heard_ms >= DISCOVERY_SIGHTING_LIFE_MS)
			drop(s, i);
}

static void drop_stalest(struct sightings *s)
{
	unsigned stalest = 0;

	for (unsigned i = 1; i < s->count; i++)
		if (s->all[i].heard_ms < s->all[stalest].heard_ms)
			stalest = i;
	drop(s, stalest);
}

static struct sighting *find(struct sightings *s, const struct sighting *seen)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct sighting *known = &s->all[i];

		if (known->instance == seen->instance && uuid_cmp(&known->device, &seen->device) == 0 &&
		    memcmp(&known->address, &seen->address, sizeof(seen->address)) == 0)
			return known;
	}
	return NULL;
}

enum sighting_kind sightings_note(struct sightings *s, uint64_t now_ms, const struct sighting *seen)
{
	struct sighting *known;

	drop_old(s, now_ms);
	known = find(s, seen);
	if (!known) {
		if (s->count == DISCOVERY_SIGHTINGS_MAX)
			drop_stalest(s);
		known = &s->all[s->count++];
		*known = *seen;
		known->heard_ms = known->told_ms = now_ms;
		return SIGHTING_NEW;
	}
	known->heard_ms = now_ms;
	if (now_ms - known->told_ms < DISCOVERY_TELL_MS)
		return SIGHTING_RECENT;
	known->told_ms = now_ms;
	return SIGHTING_AGAIN;
}

void sightings_forget(struct sightings *s, const struct uuid *device, uint64_t instance)
{
	for (unsigned i = s->count; i-- > 0;)
		if (s->all[i].instance == instance && uuid_cmp(&s->all[i].device, device) == 0)
			drop(s, i);
}
