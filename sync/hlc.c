#include "sync/hlc.h"

#include <string.h>

#include "base/err.h"

enum { HLC_COUNTER_BITS = 16, HLC_BYTES = 8 };

int stamp_cmp(const struct stamp *a, const struct stamp *b)
{
	if (a->hlc != b->hlc)
		return a->hlc < b->hlc ? -1 : 1;
	return uuid_cmp(&a->device, &b->device);
}

void stamp_encode(const struct stamp *s, uint8_t ret_bytes[STAMP_LEN])
{
	for (size_t i = 0; i < HLC_BYTES; i++)
		ret_bytes[i] = (uint8_t)(s->hlc >> (56 - 8 * i));
	memcpy(ret_bytes + HLC_BYTES, s->device.bytes, UUID_LEN);
}

struct stamp stamp_decode(const uint8_t bytes[STAMP_LEN])
{
	struct stamp s = {.hlc = 0};

	for (size_t i = 0; i < HLC_BYTES; i++)
		s.hlc = s.hlc << 8 | bytes[i];
	memcpy(s.device.bytes, bytes + HLC_BYTES, UUID_LEN);
	return s;
}

static uint64_t clamp_ms(uint64_t now_ms)
{
	return now_ms < HLC_MS_MAX ? now_ms : HLC_MS_MAX;
}

uint64_t hlc_tick(struct hlc *clock, uint64_t now_ms)
{
	uint64_t now = clamp_ms(now_ms) << HLC_COUNTER_BITS;

	clock->last = now > clock->last ? now : clock->last + 1;
	return clock->last;
}

int hlc_observe(struct hlc *clock, uint64_t remote, uint64_t now_ms)
{
	uint64_t remote_ms = hlc_ms(remote);

	/* Past HLC_MS_MAX a stamp is negative in SQLite: no clock makes that right. */
	if (remote_ms > HLC_MS_MAX || remote_ms > clamp_ms(now_ms) + HLC_AHEAD_MAX_MS)
		return -ERR_AHEAD;
	if (remote > clock->last)
		clock->last = remote;
	return 0;
}
