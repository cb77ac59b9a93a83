#include "net/cipher.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "net/limits.h"

_Static_assert(CIPHER_KEY_LEN == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "ChaChaPoly");
_Static_assert(NOISE_TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "ChaChaPoly");

enum { NONCE_LEN = crypto_aead_chacha20poly1305_ietf_NPUBBYTES, NONCE_ZEROS = NONCE_LEN - 8 };

/* Section 12.3: four zero bytes, then the counter, little-endian. */
static void nonce_bytes(uint64_t nonce, uint8_t ret_bytes[NONCE_LEN])
{
	memset(ret_bytes, 0, NONCE_ZEROS);
	for (size_t i = 0; i < 8; i++)
		ret_bytes[NONCE_ZEROS + i] = (uint8_t)(nonce >> (8 * i));
}

static void pass(const void *from, size_t len, uint8_t *to)
{
	if (len > 0) /* either may be NULL when there is nothing to move */
		memmove(to, from, len);
}

void cipher_set_key(struct cipher *c, const uint8_t key[CIPHER_KEY_LEN])
{
	memcpy(c->key, key, CIPHER_KEY_LEN);
	c->nonce = 0;
	c->has_key = true;
}

size_t cipher_overhead(const struct cipher *c)
{
	return c->has_key ? NOISE_TAG_LEN : 0;
}

int cipher_encrypt(struct cipher *c, const void *ad, size_t ad_len, const void *text, size_t len, uint8_t *ret_message)
{
	uint8_t nonce[NONCE_LEN];

	if (!c->has_key) {
		pass(text, len, ret_message);
		return 0;
	}
	if (c->nonce == UINT64_MAX)
		return -ERR_TOO_LARGE;
	nonce_bytes(c->nonce, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(ret_message, NULL, text, len, ad, ad_len, NULL, nonce, c->key);
	c->nonce++;
	return 0;
}

int cipher_decrypt(struct cipher *c, const void *ad, size_t ad_len, const void *message, size_t len, uint8_t *ret_text)
{
	uint8_t nonce[NONCE_LEN];

	if (!c->has_key) {
		pass(message, len, ret_text);
		return 0;
	}
	if (len < NOISE_TAG_LEN)
		return -ERR_MALFORMED;
	if (c->nonce == UINT64_MAX)
		return -ERR_TOO_LARGE;
	nonce_bytes(c->nonce, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(ret_text, NULL, NULL, message, len, ad, ad_len, nonce, c->key) !=
	    0)
		return -ERR_WRONG_KEY;
	c->nonce++;
	return 0;
}

void cipher_rekey(struct cipher *c)
{
	static const uint8_t zeros[CIPHER_KEY_LEN];
	uint8_t nonce[NONCE_LEN];
	uint8_t message[CIPHER_KEY_LEN + NOISE_TAG_LEN];

	nonce_bytes(UINT64_MAX, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(message, NULL, zeros, sizeof(zeros), NULL, 0, NULL, nonce, c->key);
	memcpy(c->key, message, CIPHER_KEY_LEN);
	sodium_memzero(message, sizeof(message));
}
