/* `at` is the address of the round that comes next, due at `next_ms`; 0 also stands for "between two rounds".
 * `failures` counts rounds that were begun since the peer was last reached for a while; it makes the pause. `flights`
 * are the dials that have not ended, of rounds and hints alike. `hints` is a ring of what was hinted at, for the rate.
 */
#include "net/dialer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct address {
	char text[NODE_ADDRESS_TEXT];
};

struct hint {
	struct address address;
	uint64_t when_ms;
	bool used; /* this place of the ring */
};

struct dialer {
	uint32_t (*below)(uint32_t bound);
	bool connected;
	bool hinted; /* `hint` waits for dialer_next */
	unsigned failures;
	uint64_t next_ms;
	uint64_t up_ms;
	size_t at;
	size_t count;
	size_t flight_count;
	size_t hint_at;
	struct address known[DIALER_ADDRESSES_MAX];
	struct address flights[DIALER_FLIGHTS_MAX];
	struct address hint;
	struct hint hints[DIALER_HINTS_MAX];
};

int dialer_new(uint32_t (*below)(uint32_t bound), uint64_t now_ms, struct dialer **ret_dialer)
{
	struct dialer *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->below = below;
	d->next_ms = now_ms;
	*ret_dialer = d;
	return 0;
}

static int find(const struct address *addresses, size_t count, const char *text, size_t *ret_index)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(addresses[i].text, text) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	return -ENOENT;
}

static bool is_flying(const struct dialer *d, const char *text)
{
	size_t i;

	return find(d->flights, d->flight_count, text, &i) == 0;
}

/* After round number `failures`. Half of it is jitter: devices that lost each other at once do not meet at once. */
static uint64_t pause_ms(const struct dialer *d)
{
	uint32_t pause = DIALER_BACKOFF_MIN_MS;

	for (unsigned i = 1; i < d->failures && pause < DIALER_BACKOFF_MAX_MS; i++)
		pause *= 2;
	if (pause > DIALER_BACKOFF_MAX_MS)
		pause = DIALER_BACKOFF_MAX_MS;
	return pause / 2 + d->below(pause / 2 + 1);
}

static bool fits(const char *address)
{
	size_t len = strnlen(address, NODE_ADDRESS_TEXT);

	return len > 0 && len < NODE_ADDRESS_TEXT;
}

int dialer_add(struct dialer *d, const char *address, uint64_t now_ms)
{
	size_t i;

	if (!fits(address))
		return -ERR_MALFORMED;
	if (find(d->known, d->count, address, &i) == 0)
		return -EEXIST;
	if (d->count == DIALER_ADDRESSES_MAX)
		d->count--;
	/* In front of what has not been tried in this round. */
	i = d->at < d->count ? d->at : d->count;
	memmove(&d->known[i + 1], &d->known[i], (d->count - i) * sizeof(d->known[0]));
	strcpy(d->known[i].text, address);
	d->count++;
	d->at = i;
	d->next_ms = now_ms;
	return 0;
}

int dialer_remove(struct dialer *d, const char *address)
{
	size_t i;
	int r = find(d->known, d->count, address, &i);

	if (r < 0)
		return r;
	d->count--;
	memmove(&d->known[i], &d->known[i + 1], (d->count - i) * sizeof(d->known[0]));
	if (d->at > i)
		d->at--;
	if (d->at >= d->count)
		d->at = 0;
	return 0;
}

size_t dialer_count(const struct dialer *d)
{
	return d->count;
}

const char *dialer_address(const struct dialer *d, size_t index)
{
	return d->known[index].text;
}

static bool is_recent(const struct hint *hint, uint64_t now_ms)
{
	return hint->used && now_ms - hint->when_ms < DIALER_HINT_MS;
}

static bool may_hint(const struct dialer *d, const char *address, uint64_t now_ms)
{
	if (is_recent(&d->hints[d->hint_at], now_ms)) /* the oldest of all places */
		return false;
	for (size_t i = 0; i < DIALER_HINTS_MAX; i++) {
		if (is_recent(&d->hints[i], now_ms) && strcmp(d->hints[i].address.text, address) == 0)
			return false;
	}
	return true;
}

int dialer_hint(struct dialer *d, const char *address, uint64_t now_ms)
{
	struct hint *place = &d->hints[d->hint_at];

	if (!fits(address))
		return -ERR_MALFORMED;
	if (d->connected)
		return -EISCONN;
	if (is_flying(d, address))
		return -EALREADY;
	if (d->hinted || d->flight_count == DIALER_FLIGHTS_MAX || !may_hint(d, address, now_ms))
		return -EBUSY;
	*place = (struct hint){.when_ms = now_ms, .used = true};
	strcpy(place->address.text, address);
	d->hint_at = (d->hint_at + 1) % DIALER_HINTS_MAX;
	d->hint = place->address;
	d->hinted = true;
	return 0;
}

void dialer_network_changed(struct dialer *d, uint64_t now_ms)
{
	d->failures = 0;
	d->at = 0;
	d->next_ms = now_ms;
}

void dialer_up(struct dialer *d, uint64_t now_ms)
{
	d->connected = true;
	d->hinted = false;
	d->up_ms = now_ms;
}

void dialer_down(struct dialer *d, uint64_t now_ms)
{
	d->connected = false;
	if (now_ms - d->up_ms >= DIALER_STABLE_MS)
		d->failures = 0; /* else the round that led here still counts */
	d->at = 0;
	d->next_ms = now_ms + pause_ms(d);
}

/* What works comes first next time. */
static void move_to_front(struct dialer *d, const char *address)
{
	struct address found;
	size_t i = d->count;

	memset(&found, 0, sizeof(found));
	strcpy(found.text, address);
	if (find(d->known, d->count, address, &i) < 0) {
		if (d->count < DIALER_ADDRESSES_MAX)
			d->count++;
		i = d->count - 1;
	}
	memmove(&d->known[1], &d->known[0], i * sizeof(d->known[0]));
	d->known[0] = found;
}

void dialer_ended(struct dialer *d, const char *address, bool success, uint64_t now_ms)
{
	size_t i;

	if (find(d->flights, d->flight_count, address, &i) < 0)
		return;
	if (success)
		move_to_front(d, address);
	else if (d->at > 0) /* in a round: go on with the next */
		d->next_ms = now_ms;
	d->flights[i] = d->flights[--d->flight_count];
}

static int take_off(struct dialer *d, const char *address, char ret_address[NODE_ADDRESS_TEXT])
{
	strcpy(d->flights[d->flight_count++].text, address);
	strcpy(ret_address, address);
	return 0;
}

/* Moves on in the round; behind the last address comes the pause. */
static const char *step(struct dialer *d, uint64_t now_ms)
{
	const char *address;

	if (d->at == 0)
		d->failures++;
	address = d->known[d->at++].text;
	d->next_ms = now_ms + DIALER_STAGGER_MS;
	if (d->at < d->count)
		return address;
	d->at = 0;
	d->next_ms = now_ms + pause_ms(d);
	return address;
}

static bool may_dial(const struct dialer *d)
{
	return !d->connected && d->count > 0 && d->flight_count < DIALER_FLIGHTS_MAX;
}

int dialer_next(struct dialer *d, uint64_t now_ms, char ret_address[NODE_ADDRESS_TEXT])
{
	if (d->hinted && d->flight_count < DIALER_FLIGHTS_MAX) {
		d->hinted = false;
		return take_off(d, d->hint.text, ret_address);
	}
	while (may_dial(d) && d->next_ms <= now_ms) {
		const char *address = step(d, now_ms);

		if (!is_flying(d, address))
			return take_off(d, address, ret_address);
	}
	return 1;
}

uint64_t dialer_deadline_ms(const struct dialer *d)
{
	return may_dial(d) ? d->next_ms : UINT64_MAX;
}

void dialer_free(struct dialer *d)
{
	free(d);
}
