#include "net/admission.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static size_t count_of(const struct admission *a, const uint8_t *source)
{
	size_t count = 0;

	for (size_t i = 0; i < NODE_HALF_OPEN_MAX; i++)
		count += a->places[i].owner && memcmp(a->places[i].source, source, ADDRESS_SOURCE_LEN) == 0;
	return count;
}

/* A free place, or the one that is taken longest. */
static struct admission_place *best(struct admission *a)
{
	struct admission_place *found = &a->places[0];

	for (size_t i = 0; i < NODE_HALF_OPEN_MAX; i++) {
		struct admission_place *place = &a->places[i];

		if (!place->owner)
			return place;
		if (place->since < found->since)
			found = place;
	}
	return found;
}

int admission_enter(struct admission *a, const uint8_t source[ADDRESS_SOURCE_LEN], void *owner, void **ret_evicted)
{
	struct admission_place *place;

	if (count_of(a, source) >= NODE_HALF_OPEN_SOURCE)
		return -EBUSY;
	place = best(a);
	*ret_evicted = place->owner;
	a->count += place->owner == NULL;
	place->owner = owner;
	place->since = a->entries++;
	memcpy(place->source, source, ADDRESS_SOURCE_LEN);
	return 0;
}

void admission_leave(struct admission *a, const void *owner)
{
	for (size_t i = 0; owner && i < NODE_HALF_OPEN_MAX; i++) {
		if (a->places[i].owner == owner) {
			a->places[i].owner = NULL;
			a->count--;
			return;
		}
	}
}
