/* This device's static key pair and the static keys of the peers that it answers, with the Diffie-Hellman result of
 * each pair, so that a caller can be found by trial (reference "KK and who is calling", b) at the cost of a few hashes
 * per peer. Lies in sodium memory, wiped by keyring_free. Threads: one at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

#define KEYRING_SHARED_LEN 32

struct keyring;

/* Copies the secret. Errors: -ENOMEM, -ERR_MALFORMED (no X25519 secret). */
int keyring_new(const uint8_t secret[KEY_SECRET_LEN], struct keyring **ret_ring);

/* Errors: -EEXIST, -EINVAL (this device's own key), -ERR_TOO_LARGE (KEYRING_PEERS_MAX are there), -ERR_MALFORMED (a
 * point of small order). */
int keyring_add(struct keyring *ring, const uint8_t peer[KEY_PUBLIC_LEN]);

int keyring_remove(struct keyring *ring, const uint8_t peer[KEY_PUBLIC_LEN]); /* Errors: -ENOENT. Moves indexes. */

size_t keyring_count(const struct keyring *ring);
int keyring_find(const struct keyring *ring, const uint8_t peer[KEY_PUBLIC_LEN],
		 size_t *ret_index); /* Errors: -ENOENT */

/* Borrowed, until the next change of the ring. */
const uint8_t *keyring_secret(const struct keyring *ring);
const uint8_t *keyring_public(const struct keyring *ring);
const uint8_t *keyring_peer(const struct keyring *ring, size_t index);	 /* its static public key */
const uint8_t *keyring_shared(const struct keyring *ring, size_t index); /* KEYRING_SHARED_LEN bytes; secret */

void keyring_free(struct keyring *ring);
void keyring_freep(struct keyring **ring);
