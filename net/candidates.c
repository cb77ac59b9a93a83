#include "net/candidates.h"

#include <string.h>

#include "net/address.h"

static bool is_known(const struct candidates *c, const struct sockaddr_storage *address)
{
	for (unsigned i = 0; i < c->count; i++)
		for (unsigned k = 0; k < c->all[i].count; k++)
			if (memcmp(&c->all[i].addresses[k], address, sizeof(*address)) == 0)
				return true;
	return false;
}

static struct candidate *find_or_make(struct candidates *c, uint64_t id, const char *name)
{
	struct candidate *made;

	for (unsigned i = 0; i < c->count; i++)
		if (c->all[i].id == id)
			return &c->all[i];
	if (c->count == CANDIDATES_MAX)
		return NULL;
	made = &c->all[c->count++];
	*made = (struct candidate){.id = id};
	strncpy(made->name, name, sizeof(made->name) - 1);
	return made;
}

struct candidate *candidates_add(struct candidates *c, uint64_t id, const char *name, const struct sockaddr *address)
{
	struct sockaddr_storage copy = {0};
	struct candidate *candidate;

	memcpy(&copy, address, address_len(address));
	if (is_known(c, &copy))
		return NULL;
	candidate = find_or_make(c, id, name);
	if (!candidate || candidate->count == CANDIDATE_ADDRESSES_MAX)
		return NULL;
	candidate->addresses[candidate->count++] = copy;
	return candidate;
}

static bool is_left(const struct candidate *candidate)
{
	return !candidate->spent && candidate->at < candidate->count;
}

struct candidate *candidates_next(struct candidates *c, uint64_t now_ms)
{
	struct candidate *next = NULL;

	for (unsigned i = 0; i < c->count && c->guesses < PAIRING_GUESSES_MAX; i++) {
		struct candidate *candidate = &c->all[i];

		if (is_left(candidate) && candidate->not_before_ms <= now_ms &&
		    (!next || candidate->not_before_ms < next->not_before_ms))
			next = candidate;
	}
	return next;
}

uint64_t candidates_next_ms(const struct candidates *c)
{
	uint64_t next_ms = UINT64_MAX;

	for (unsigned i = 0; i < c->count && c->guesses < PAIRING_GUESSES_MAX; i++)
		if (is_left(&c->all[i]) && c->all[i].not_before_ms < next_ms)
			next_ms = c->all[i].not_before_ms;
	return next_ms;
}

const struct sockaddr *candidate_address(const struct candidate *candidate)
{
	return (const struct sockaddr *)&candidate->addresses[candidate->at];
}

void candidates_unreached(struct candidates *c, struct candidate *candidate)
{
	candidate->at++;
}

void candidates_busy(struct candidates *c, struct candidate *candidate, uint64_t now_ms)
{
	candidate->not_before_ms = now_ms + PAIRING_BUSY_WAIT_MS;
}

void candidates_spent(struct candidates *c, struct candidate *candidate)
{
	candidate->spent = true;
	c->guesses++;
}
