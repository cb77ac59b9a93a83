#include "net/keyring.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/limits.h"

struct keyring {
	size_t count;
	uint8_t secret[KEY_SECRET_LEN];
	uint8_t public_key[KEY_PUBLIC_LEN];
	struct {
		uint8_t public_key[KEY_PUBLIC_LEN];
		uint8_t shared[KEYRING_SHARED_LEN];
	} peers[KEYRING_PEERS_MAX];
};

int keyring_new(const uint8_t secret[KEY_SECRET_LEN], struct keyring **ret_ring)
{
	_cleanup_(keyring_freep) struct keyring *ring = sodium_malloc(sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	memset(ring, 0, sizeof(*ring));
	memcpy(ring->secret, secret, KEY_SECRET_LEN);
	if (crypto_scalarmult_curve25519_base(ring->public_key, ring->secret) != 0)
		return -ERR_MALFORMED;
	*ret_ring = TAKE_PTR(ring);
	return 0;
}

int keyring_find(const struct keyring *ring, const uint8_t peer[KEY_PUBLIC_LEN], size_t *ret_index)
{
	for (size_t i = 0; i < ring->count; i++) {
		if (memcmp(ring->peers[i].public_key, peer, KEY_PUBLIC_LEN) == 0) { /* public keys are no secrets */
			*ret_index = i;
			return 0;
		}
	}
	return -ENOENT;
}

int keyring_add(struct keyring *ring, const uint8_t peer[KEY_PUBLIC_LEN])
{
	size_t at = ring->count;

	if (memcmp(ring->public_key, peer, KEY_PUBLIC_LEN) == 0)
		return -EINVAL;
	if (keyring_find(ring, peer, &at) == 0)
		return -EEXIST;
	if (at == KEYRING_PEERS_MAX)
		return -ERR_TOO_LARGE;
	if (crypto_scalarmult_curve25519(ring->peers[at].shared, ring->secret, peer) != 0)
		return -ERR_MALFORMED;
	memcpy(ring->peers[at].public_key, peer, KEY_PUBLIC_LEN);
	ring->count++;
	return 0;
}

int keyring_remove(struct keyring *ring, const uint8_t peer[KEY_PUBLIC_LEN])
{
	size_t at;
	int r = keyring_find(ring, peer, &at);

	if (r < 0)
		return r;
	ring->count--;
	ring->peers[at] = ring->peers[ring->count];
	sodium_memzero(&ring->peers[ring->count], sizeof(ring->peers[0]));
	return 0;
}

size_t keyring_count(const struct keyring *ring)
{
	return ring->count;
}

const uint8_t *keyring_secret(const struct keyring *ring)
{
	return ring->secret;
}

const uint8_t *keyring_public(const struct keyring *ring)
{
	return ring->public_key;
}

const uint8_t *keyring_peer(const struct keyring *ring, size_t index)
{
	assert(index < ring->count);
	return ring->peers[index].public_key;
}

const uint8_t *keyring_shared(const struct keyring *ring, size_t index)
{
	assert(index < ring->count);
	return ring->peers[index].shared;
}

void keyring_free(struct keyring *ring)
{
	sodium_free(ring); /* wipes; NULL is fine */
}

void keyring_freep(struct keyring **ring)
{
	keyring_free(*ring);
}
