/* When to announce: at the start and when something has changed at once, and once more a moment later (Wi-Fi does not
 * repeat a broadcast that got lost); soon, but not every time, for a newcomer; else regularly with some play, so that
 * many devices do not speak in chorus (protocols 3.3).
 *
 * A step machine: times of one monotonic clock and random numbers in. Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cadence {
	uint64_t interval_ms;
	uint64_t next_ms;
	uint64_t reply_ms; /* no newcomer is answered before */
	bool repeat;	   /* the next one is followed by another soon */
};

void cadence_init(struct cadence *c, uint64_t interval_ms, uint64_t now_ms); /* due at once */
bool cadence_is_due(const struct cadence *c, uint64_t now_ms);
void cadence_announced(struct cadence *c, uint64_t now_ms, uint32_t draw); /* `draw`: any 32 random bits, as below */
void cadence_changed(struct cadence *c, uint64_t now_ms);		   /* due at once */
void cadence_newcomer(struct cadence *c, uint64_t now_ms,
		      uint32_t draw); /* due within DISCOVERY_REPLY_MS, if allowed */
