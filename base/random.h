/* Random bytes from libsodium, which any thread may ask for after base_init(). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Prepares libsodium. Call once at the start of each program, before anything else of base/. Errors: -EIO. */
int base_init(void);

void random_bytes(void *buf, size_t len);
uint32_t random_below(uint32_t bound); /* uniform in 0..bound-1 */
