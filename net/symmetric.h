/* SymmetricState of Noise (revision 34, section 5.2) with SHA256: the chaining key, the running hash of all that was
 * said, and the cipher of the moment.
 *
 * The struct is a part of its owner, which lies in sodium memory and wipes it; its fields belong to symmetric.c.
 * Threads: one at a time. */
#pragma once

#include "net/cipher.h"

#define SYMMETRIC_HASH_LEN 32

struct symmetric {
	struct cipher cipher;
	uint8_t chaining_key[SYMMETRIC_HASH_LEN];
	uint8_t hash[SYMMETRIC_HASH_LEN];
};

void symmetric_init(struct symmetric *s, const char *protocol_name);
void symmetric_mix_hash(struct symmetric *s, const void *data, size_t len);
void symmetric_mix_key(struct symmetric *s, const uint8_t material[32]);
void symmetric_mix_key_and_hash(struct symmetric *s, const uint8_t psk[32]);

/* EncryptAndHash and DecryptAndHash: lengths, overlap and errors as in net/cipher.h. The hash moves on success only. */
int symmetric_encrypt(struct symmetric *s, const void *text, size_t len, uint8_t *ret_message);
int symmetric_decrypt(struct symmetric *s, const void *message, size_t len, uint8_t *ret_text);

/* The keys of the two directions: first is initiator to responder. */
void symmetric_split(const struct symmetric *s, uint8_t ret_first[CIPHER_KEY_LEN], uint8_t ret_second[CIPHER_KEY_LEN]);
