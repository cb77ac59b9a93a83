/* The clocks. `sync/` never calls these: its callers pass the time in. Threads: any. */
#pragma once

#include <stdint.h>

uint64_t clock_wall_ms(void);      /* CLOCK_REALTIME, milliseconds since 1970 */
uint64_t clock_monotonic_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_monotonic_ms(void);
