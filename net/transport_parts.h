/* What net/noise.c and net/transport.c share: a transport that lives in the memory of its handshake. Nothing else
 * includes this. Threads: one at a time. */
#pragma once

#include "net/cipher.h"
#include "net/vault.h"

struct transport {
	struct cipher cipher; /* without a key: dead */
	struct vault *vault;  /* that it lies in, with a reference; NULL: in memory of its own */
};

void transport_init(struct transport *t, struct vault *vault, const uint8_t key[CIPHER_KEY_LEN]);
