/* CipherState of Noise (revision 34, section 5.1) with ChaChaPoly: a key and a counter.
 *
 * The struct is a part of its owner, which lies in sodium memory and wipes it; its fields belong to cipher.c.
 * Threads: one at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIPHER_KEY_LEN 32

struct cipher {
	uint8_t key[CIPHER_KEY_LEN];
	uint64_t nonce; /* of the next message; 2^64-1 is reserved */
	bool has_key;	/* without one, text passes unchanged */
};

void cipher_set_key(struct cipher *c, const uint8_t key[CIPHER_KEY_LEN]); /* the counter starts at 0 */

/* How much longer a message is than its text: 0 or 16 bytes. */
size_t cipher_overhead(const struct cipher *c);

/* Writes len + cipher_overhead bytes. `text` may be `ret_message`. Errors: -ERR_TOO_LARGE (the counter is used up). */
int cipher_encrypt(struct cipher *c, const void *ad, size_t ad_len, const void *text, size_t len, uint8_t *ret_message);

/* Writes len - cipher_overhead bytes. `message` may be `ret_text`. A failure does not move the counter, but may have
 * cleared ret_text. Errors: -ERR_MALFORMED (shorter than a tag), -ERR_WRONG_KEY, -ERR_TOO_LARGE (as above). */
int cipher_decrypt(struct cipher *c, const void *ad, size_t ad_len, const void *message, size_t len, uint8_t *ret_text);

void cipher_rekey(struct cipher *c); /* Section 4.2, REKEY; the counter stays (section 11.3) */
