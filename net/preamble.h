/* The first 8 bytes of every TCP connection between devices, sent by whoever dials: "shelf" and a NUL, a version, a
 * purpose. They say nothing that a port scan would not find out. Threads: any. */
#pragma once

#include <stdint.h>

#define PREAMBLE_LEN	 8
#define PREAMBLE_VERSION 1

enum preamble_purpose {
	PREAMBLE_LINK = 'L', /* members, Noise KK */
	PREAMBLE_PAIR = 'P', /* net/pairing.h */
};

void preamble_write(enum preamble_purpose purpose, uint8_t ret_bytes[PREAMBLE_LEN]);

/* Errors: -ERR_MALFORMED (something else calls, or for a purpose that this version does not know), -ERR_STALE (another
 * version of shelf). */
int preamble_read(const uint8_t bytes[PREAMBLE_LEN], enum preamble_purpose *ret_purpose);
