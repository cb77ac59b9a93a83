/* 16-byte ids. Order is memcmp order. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_LEN 16
#define UUID_TEXT_LEN 36 /* without the NUL */

struct uuid {
	uint8_t bytes[UUID_LEN];
};

int uuid_cmp(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *u);

/* Random, version 4. */
struct uuid uuid_random(void);

/* Version 5 (RFC 9562, section 5.5): SHA-1 of a namespace and a name, through libuuid. */
struct uuid uuid_v5(const struct uuid *space, const void *name, size_t name_len);

/* Version 8 (RFC 9562, section 5.8): the 16 bytes as given, with version and variant bits stamped in. */
struct uuid uuid_v8(const uint8_t bytes[UUID_LEN]);

/* Lower-case text with dashes, always NUL-terminated. */
void uuid_to_text(const struct uuid *u, char ret_text[UUID_TEXT_LEN + 1]);

/* Errors: -ERR_MALFORMED. */
int uuid_from_text(const char *text, struct uuid *ret_uuid);

/* The uuid of an entry: 8 bytes of its location's prefix, then the number of the entry in that location, stamped as
 * UUIDv8. Sorts in creation order inside a location (design section 4).
 * `prefix` carries 60 random bits (uuid_entry_prefix makes one); `seq` has 62 bits.
 * The database holds the prefix as a signed integer: cast, the bits are the same. */
struct uuid uuid_entry(uint64_t prefix, uint64_t seq);
void uuid_entry_split(const struct uuid *u, uint64_t *ret_prefix, uint64_t *ret_seq);
uint64_t uuid_entry_prefix(void); /* a random prefix, the version bits already in place */
