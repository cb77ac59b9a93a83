/* Two devices with fixed keys, and the two ends of a handshake between them. Failures end the running test. */
#pragma once

#include "base/key.h"
#include "net/noise.h"

/* A key pair made of a byte: the same in every run. */
struct pair_of_keys {
	uint8_t secret[KEY_SECRET_LEN];
	uint8_t public_key[KEY_PUBLIC_LEN];
};

struct pair_of_keys keys_from(uint8_t seed);

struct handshake {
	unsigned message; /* read so far: its parity says who writes */
	struct noise *initiator;
	struct noise *responder;
};

/* `pattern` between keys_from(1), the initiator, and keys_from(2), with psks of 0x33. Ephemerals are fixed too, so that
 * two handshakes are the same byte for byte. */
struct handshake handshake_start(enum pattern_id pattern);
void handshake_release(struct handshake *h);

/* What noise_opts of one side of handshake_start are; the pointers are static. */
struct noise_opts handshake_opts(enum pattern_id pattern, enum noise_role role);

/* The next message with an empty payload, by whoever's turn it is. Returns its length. */
size_t handshake_write(struct handshake *h, uint8_t *ret_message);
int handshake_read(struct handshake *h, const uint8_t *message, size_t len); /* by the other side */
void handshake_run(struct handshake *h);				     /* to the end */
