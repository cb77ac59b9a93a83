#include "net/symmetric.h"

#include <sodium.h>
#include <string.h>

_Static_assert(SYMMETRIC_HASH_LEN == crypto_hash_sha256_BYTES, "SHA256");
/* libsodium's one-shot HMAC takes a key of exactly this length, which is the only one that HKDF here uses. */
_Static_assert(SYMMETRIC_HASH_LEN == crypto_auth_hmacsha256_KEYBYTES, "HMAC");

enum { HKDF_OUTPUTS_MAX = 3 };

/* Section 4.3: HKDF with `count` outputs of one hash length each. */
static void hkdf(const uint8_t chaining_key[SYMMETRIC_HASH_LEN], const uint8_t *material, size_t len, size_t count,
		 uint8_t ret_outputs[][SYMMETRIC_HASH_LEN])
{
	uint8_t temp_key[SYMMETRIC_HASH_LEN];
	uint8_t input[SYMMETRIC_HASH_LEN + 1];
	size_t previous_len = 0;

	crypto_auth_hmacsha256(temp_key, material, len, chaining_key);
	for (size_t i = 0; i < count; i++) {
		input[previous_len] = (uint8_t)(i + 1);
		crypto_auth_hmacsha256(ret_outputs[i], input, previous_len + 1, temp_key);
		memcpy(input, ret_outputs[i], SYMMETRIC_HASH_LEN);
		previous_len = SYMMETRIC_HASH_LEN;
	}
	sodium_memzero(temp_key, sizeof(temp_key));
	sodium_memzero(input, sizeof(input));
}

void symmetric_init(struct symmetric *s, const char *protocol_name)
{
	size_t len = strlen(protocol_name);

	memset(s, 0, sizeof(*s));
	if (len <= SYMMETRIC_HASH_LEN)
		memcpy(s->hash, protocol_name, len);
	else
		crypto_hash_sha256(s->hash, (const uint8_t *)protocol_name, len);
	memcpy(s->chaining_key, s->hash, SYMMETRIC_HASH_LEN);
}

void symmetric_mix_hash(struct symmetric *s, const void *data, size_t len)
{
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, s->hash, SYMMETRIC_HASH_LEN);
	crypto_hash_sha256_update(&state, data, len);
	crypto_hash_sha256_final(&state, s->hash);
}

void symmetric_mix_key(struct symmetric *s, const uint8_t material[32])
{
	uint8_t outputs[HKDF_OUTPUTS_MAX][SYMMETRIC_HASH_LEN];

	hkdf(s->chaining_key, material, 32, 2, outputs);
	memcpy(s->chaining_key, outputs[0], SYMMETRIC_HASH_LEN);
	cipher_set_key(&s->cipher, outputs[1]);
	sodium_memzero(outputs, sizeof(outputs));
}

void symmetric_mix_key_and_hash(struct symmetric *s, const uint8_t psk[32])
{
	uint8_t outputs[HKDF_OUTPUTS_MAX][SYMMETRIC_HASH_LEN];

	hkdf(s->chaining_key, psk, 32, 3, outputs);
	memcpy(s->chaining_key, outputs[0], SYMMETRIC_HASH_LEN);
	symmetric_mix_hash(s, outputs[1], SYMMETRIC_HASH_LEN);
	cipher_set_key(&s->cipher, outputs[2]);
	sodium_memzero(outputs, sizeof(outputs));
}

int symmetric_encrypt(struct symmetric *s, const void *text, size_t len, uint8_t *ret_message)
{
	int r = cipher_encrypt(&s->cipher, s->hash, SYMMETRIC_HASH_LEN, text, len, ret_message);

	if (r < 0)
		return r;
	symmetric_mix_hash(s, ret_message, len + cipher_overhead(&s->cipher));
	return 0;
}

int symmetric_decrypt(struct symmetric *s, const void *message, size_t len, uint8_t *ret_text)
{
	struct symmetric next = *s; /* the hash is taken over the message before ret_text may overwrite it */
	int r;

	symmetric_mix_hash(&next, message, len);
	r = cipher_decrypt(&s->cipher, s->hash, SYMMETRIC_HASH_LEN, message, len, ret_text);
	if (r == 0)
		memcpy(s->hash, next.hash, SYMMETRIC_HASH_LEN);
	sodium_memzero(&next, sizeof(next));
	return r;
}

void symmetric_split(const struct symmetric *s, uint8_t ret_first[CIPHER_KEY_LEN], uint8_t ret_second[CIPHER_KEY_LEN])
{
	uint8_t outputs[HKDF_OUTPUTS_MAX][SYMMETRIC_HASH_LEN];

	hkdf(s->chaining_key, NULL, 0, 2, outputs);
	memcpy(ret_first, outputs[0], CIPHER_KEY_LEN);
	memcpy(ret_second, outputs[1], CIPHER_KEY_LEN);
	sodium_memzero(outputs, sizeof(outputs));
}
