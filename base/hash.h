/* BLAKE2b (RFC 7693), through libsodium. Threads: any; one `struct hash` belongs to one thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_LEN 32    /* BLAKE2b-256 */
#define HASH128_LEN 16 /* BLAKE2b-128 */

struct hash; /* a running hash, on the heap */

int hash_new(size_t out_len, struct hash **ret_hash); /* out_len: 16 to 64 bytes. Errors: -ENOMEM, -EINVAL */
void hash_update(struct hash *h, const void *data, size_t len);
void hash_final(struct hash *h, uint8_t *ret_out); /* writes out_len bytes; `h` must be freed, not used again */
void hash_free(struct hash *h);
void hash_freep(struct hash **h); /* for _cleanup_ */

/* One-shot: BLAKE2b of out_len bytes over the concatenation of two pieces (either may be empty). */
void hash_pair(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t *ret_out, size_t out_len);
