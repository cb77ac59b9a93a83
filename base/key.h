/* The key pair of a device: static X25519 (RFC 7748). The device's id is a UUIDv8 of the first 16 bytes of
 * BLAKE2b-256(public key) (design section 1), so an id cannot be claimed without its key.
 *
 * The secret half lives in sodium memory, locked and wiped by key_free. It never enters a log or the library folder. */
#pragma once

#include <stdint.h>

#include "base/uuid.h"

#define KEY_PUBLIC_LEN 32
#define KEY_SECRET_LEN 32

struct key;

int key_generate(struct key **ret_key); /* Errors: -ENOMEM */

/* Reads a key file of exactly KEY_SECRET_LEN bytes, which must be 0600 or stricter and owned by this user.
 * Errors: -ENOENT, -EACCES (wrong mode or owner), -ERR_MALFORMED (length), other errno of open and read. */
int key_load(const char *path, struct key **ret_key);

/* Writes the secret to a new file (0600, fsync of file and folder). Errors: -EEXIST and other errno. */
int key_save(const struct key *key, const char *path);

const uint8_t *key_public(const struct key *key); /* KEY_PUBLIC_LEN bytes, borrowed until key_free */
const uint8_t *key_secret(const struct key *key); /* KEY_SECRET_LEN bytes in sodium memory, borrowed until key_free */
struct uuid key_device_id(const struct key *key);
struct uuid key_id_of_public(const uint8_t public_key[KEY_PUBLIC_LEN]);
void key_free(struct key *key);
void key_freep(struct key **key);
