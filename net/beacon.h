/* The datagram by which devices find each other on a local network: a hint to dial, and nothing more (protocols 3.3).
 *
 *      0   4  magic
 *      4   1  version
 *      5   1  flags
 *      6   2  TCP port, big-endian; the address is the packet's source
 *      8   8  instance id, random for each start of a program and each network
 *
 * then, sealed for the members of a library:
 *
 *      16  16 random
 *      32  40 XChaCha20-Poly1305 under the library's discovery key: device id, epoch (and the tag). Its nonce is bytes
 *             8 to 31 as they stand, the first 8 bytes are authenticated with it
 *
 * or, with BEACON_PAIRING_OPEN, for everybody: one byte of length and the name that the user lets be shown.
 *
 * Outsiders see of a sealed one the port and random bytes. Nothing in either is made of a pairing code or a library's
 * name. Anybody can send an open one, and repeat a sealed one: no reader may do more than dial. Threads: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"
#include "net/limits.h"

#define BEACON_KEY_LEN	32
#define BEACON_NAME_MAX TEXT_NAME_MAX
#define BEACON_VERSION	1

enum beacon_flag {
	BEACON_PAIRING_OPEN = 1,
	BEACON_LEAVING = 2, /* the sender ends, or is no longer open */
};

struct beacon {
	uint8_t flags; /* those that this version does not know mean nothing */
	uint16_t port; /* not 0 */
	uint64_t instance;
	struct uuid device; /* sealed only, as the next */
	uint64_t epoch;
	char name[BEACON_NAME_MAX + 1]; /* open only: empty, or a title (base/text.h) */
};

/* `key`: BEACON_KEY_LEN bytes; may be NULL for an open one. Returns the length, at most BEACON_BYTES_MAX. */
size_t beacon_write(const struct beacon *beacon, const uint8_t *key, uint8_t ret_bytes[BEACON_BYTES_MAX]);

/* Flags, port and instance only: enough to leave aside what need not be read. Errors: -ERR_TOO_LARGE, -ERR_MALFORMED
 * (also: not ours), -ERR_STALE (another version). */
int beacon_read_header(const void *data, size_t len, struct beacon *ret_beacon);

/* All of it; what the form does not have is zero. Errors: as above; -ERR_WRONG_KEY: sealed, and not by `key` (NULL: no
 * key at hand), or changed on the way. */
int beacon_read(const void *data, size_t len, const uint8_t *key, struct beacon *ret_beacon);
