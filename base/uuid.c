#include "base/uuid.h"

#include <assert.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/err.h"
#include "base/random.h"

enum { VERSION_BYTE = 6, VARIANT_BYTE = 8 };

#define ENTRY_SEQ_BITS	   62
#define ENTRY_VERSION_MASK UINT64_C(0xf000) /* where byte 6 stands in the prefix */
#define ENTRY_VERSION_8	   UINT64_C(0x8000)

static void stamp_version(struct uuid *u, uint8_t version)
{
	u->bytes[VERSION_BYTE] = (uint8_t)((u->bytes[VERSION_BYTE] & 0x0f) | version << 4);
	u->bytes[VARIANT_BYTE] = (uint8_t)((u->bytes[VARIANT_BYTE] & 0x3f) | 0x80);
}

int uuid_cmp(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, UUID_LEN);
}

bool uuid_is_nil(const struct uuid *u)
{
	static const struct uuid nil = {0};

	return uuid_cmp(u, &nil) == 0;
}

struct uuid uuid_random(void)
{
	struct uuid u;

	random_bytes(u.bytes, UUID_LEN);
	stamp_version(&u, 4);
	return u;
}

struct uuid uuid_v5(const struct uuid *space, const void *name, size_t name_len)
{
	struct uuid u;

	uuid_generate_sha1(u.bytes, space->bytes, name, name_len);
	return u;
}

struct uuid uuid_v8(const uint8_t bytes[UUID_LEN])
{
	struct uuid u;

	memcpy(u.bytes, bytes, UUID_LEN);
	stamp_version(&u, 8);
	return u;
}

static bool dash_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void uuid_to_text(const struct uuid *u, char ret_text[UUID_TEXT_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	char *at = ret_text;

	for (size_t i = 0; i < UUID_LEN; i++) {
		if (dash_before(i))
			*at++ = '-';
		*at++ = digits[u->bytes[i] >> 4];
		*at++ = digits[u->bytes[i] & 0x0f];
	}
	*at = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -ERR_MALFORMED;
}

int uuid_from_text(const char *text, struct uuid *ret_uuid)
{
	struct uuid u;

	if (strlen(text) != UUID_TEXT_LEN)
		return -ERR_MALFORMED;
	for (size_t i = 0; i < UUID_LEN; i++) {
		int high, low;

		if (dash_before(i) && *text++ != '-')
			return -ERR_MALFORMED;
		high = hex_value(*text++);
		low = hex_value(*text++);
		if (high < 0 || low < 0)
			return -ERR_MALFORMED;
		u.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret_uuid = u;
	return 0;
}

static void put_be64(uint8_t bytes[8], uint64_t value)
{
	for (size_t i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_be64(const uint8_t bytes[8])
{
	uint64_t value = 0;

	for (size_t i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

struct uuid uuid_entry(uint64_t prefix, uint64_t seq)
{
	struct uuid u;

	assert(seq >> ENTRY_SEQ_BITS == 0);
	put_be64(u.bytes, prefix);
	put_be64(u.bytes + 8, seq);
	stamp_version(&u, 8);
	return u;
}

void uuid_entry_split(const struct uuid *u, uint64_t *ret_prefix, uint64_t *ret_seq)
{
	*ret_prefix = get_be64(u->bytes);
	*ret_seq = get_be64(u->bytes + 8) & ((UINT64_C(1) << ENTRY_SEQ_BITS) - 1);
}

uint64_t uuid_entry_prefix(void)
{
	uint64_t prefix;

	random_bytes(&prefix, sizeof(prefix));
	return (prefix & ~ENTRY_VERSION_MASK) | ENTRY_VERSION_8;
}
