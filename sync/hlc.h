/* Hybrid logical clock (Kulkarni et al. 2014), packed: `ms << 16 | counter` in a u64, so that the rule for a local
 * change is `last = max(now_ms << 16, last + 1)`; a counter overflow carries into the milliseconds (design section 5,
 * reference "Hybrid logical clock" rules 1, 2, 5). Pure: the time is passed in. Threads: the owner's. */
#pragma once

#include <stdint.h>

#include "base/uuid.h"

#define HLC_AHEAD_MAX_MS (5 * 60 * 1000) /* a remote stamp further ahead than this is held */
#define HLC_MS_MAX ((UINT64_C(1) << 47) - 1) /* year 6429: stays positive in SQLite's signed integer */
#define STAMP_LEN 24

/* Who wrote a register, and when: the total order of all shared changes. */
struct stamp {
	uint64_t hlc;
	struct uuid device;
};

int stamp_cmp(const struct stamp *a, const struct stamp *b); /* <0, 0, >0 */

/* 24 bytes: hlc big-endian, then the device. memcmp of two encodings equals stamp_cmp. */
void stamp_encode(const struct stamp *s, uint8_t ret_bytes[STAMP_LEN]);
struct stamp stamp_decode(const uint8_t bytes[STAMP_LEN]);

struct hlc {
	uint64_t last; /* the greatest stamp given or seen */
};

/* A stamp for a local change: greater than every one before. Never refuses; `now_ms` beyond HLC_MS_MAX counts as that. */
uint64_t hlc_tick(struct hlc *clock, uint64_t now_ms);

/* Takes note of a remote stamp. Errors: -ERR_AHEAD (more than HLC_AHEAD_MAX_MS ahead of now_ms; the clock is unchanged). */
int hlc_observe(struct hlc *clock, uint64_t remote, uint64_t now_ms);

static inline uint64_t hlc_ms(uint64_t hlc)
{
	return hlc >> 16;
}
