/* The first 8 bytes of every connection, sent by whoever dials, in clear: magic, version, purpose. One listener serves
 * all purposes. Threads: any. */
#pragma once

#include <stdint.h>

#define PREAMBLE_LEN	 8
#define PREAMBLE_VERSION 1 /* of all that follows on a link; pairing has its own besides */

enum preamble_purpose {
	PREAMBLE_LINK = 1, /* Noise KK between members (net/link.h) */
	PREAMBLE_PAIR = 2, /* net/pairing.h */
};

void preamble_put(enum preamble_purpose purpose, uint8_t ret_bytes[PREAMBLE_LEN]);

/* Errors: -ERR_MALFORMED (magic or purpose), -EPROTONOSUPPORT (another version). */
int preamble_get(const uint8_t bytes[PREAMBLE_LEN], enum preamble_purpose *ret_purpose);
