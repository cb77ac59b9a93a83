#include "net/beacon.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/random.h"

static const uint8_t magic[4] = {0xd5, 's', 'h', 'b'};

enum {
	AD_LEN = 8, /* magic, version, flags, port */
	INSTANCE_LEN = 8,
	HEADER_LEN = AD_LEN + INSTANCE_LEN,
	RANDOM_LEN = 16,
	TEXT_LEN = UUID_LEN + 8,
	SEALED_LEN = HEADER_LEN + RANDOM_LEN + TEXT_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES,
};

_Static_assert(INSTANCE_LEN + RANDOM_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	       "the nonce lies in the packet");
_Static_assert(BEACON_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the key's length");
_Static_assert(SEALED_LEN <= BEACON_BYTES_MAX && HEADER_LEN + 1 + BEACON_NAME_MAX <= BEACON_BYTES_MAX, "room");

static void put_u64(uint8_t *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | at[i];
	return value;
}

static size_t seal(const struct beacon *beacon, const uint8_t *key, uint8_t *bytes)
{
	uint8_t text[TEXT_LEN];

	memcpy(text, beacon->device.bytes, UUID_LEN);
	put_u64(text + UUID_LEN, beacon->epoch);
	random_bytes(bytes + HEADER_LEN, RANDOM_LEN);
	crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + HEADER_LEN + RANDOM_LEN, NULL, text, sizeof(text), bytes,
						   AD_LEN, NULL, bytes + AD_LEN, key);
	return SEALED_LEN;
}

size_t beacon_write(const struct beacon *beacon, const uint8_t *key, uint8_t ret_bytes[BEACON_BYTES_MAX])
{
	size_t name_len = strlen(beacon->name);

	memcpy(ret_bytes, magic, sizeof(magic));
	ret_bytes[4] = BEACON_VERSION;
	ret_bytes[5] = beacon->flags;
	ret_bytes[6] = (uint8_t)(beacon->port >> 8);
	ret_bytes[7] = (uint8_t)beacon->port;
	put_u64(ret_bytes + AD_LEN, beacon->instance);
	if (!(beacon->flags & BEACON_PAIRING_OPEN)) {
		assert(key);
		return seal(beacon, key, ret_bytes);
	}
	ret_bytes[HEADER_LEN] = (uint8_t)name_len;
	memcpy(ret_bytes + HEADER_LEN + 1, beacon->name, name_len);
	return HEADER_LEN + 1 + name_len;
}

int beacon_read_header(const void *data, size_t len, struct beacon *ret_beacon)
{
	struct cursor c = cursor_on(data, len);
	struct beacon beacon = {0};
	const uint8_t *header;

	if (len > BEACON_BYTES_MAX)
		return -ERR_TOO_LARGE;
	if (cursor_bytes(&c, HEADER_LEN, &header) < 0 || memcmp(header, magic, sizeof(magic)) != 0)
		return -ERR_MALFORMED;
	if (header[4] != BEACON_VERSION)
		return -ERR_STALE;
	beacon.flags = header[5];
	beacon.port = (uint16_t)(header[6] << 8 | header[7]);
	beacon.instance = get_u64(header + AD_LEN);
	if (beacon.port == 0)
		return -ERR_MALFORMED;
	*ret_beacon = beacon;
	return 0;
}

static int read_name(struct cursor body, struct beacon *beacon)
{
	const uint8_t *name;
	uint8_t len;

	if (cursor_u8(&body, &len) < 0 || cursor_bytes(&body, len, &name) < 0 || body.left > 0)
		return -ERR_MALFORMED;
	if (len > 0 && !text_is_title(name, len))
		return -ERR_MALFORMED;
	memcpy(beacon->name, name, len);
	return 0;
}

static int unseal(const uint8_t *bytes, size_t len, const uint8_t *key, struct beacon *beacon)
{
	const uint8_t *sealed = bytes + HEADER_LEN + RANDOM_LEN;
	uint8_t text[TEXT_LEN];

	if (len != SEALED_LEN)
		return -ERR_MALFORMED;
	if (!key || crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, sealed, len - HEADER_LEN - RANDOM_LEN,
							       bytes, AD_LEN, bytes + AD_LEN, key) != 0)
		return -ERR_WRONG_KEY;
	memcpy(beacon->device.bytes, text, UUID_LEN);
	beacon->epoch = get_u64(text + UUID_LEN);
	return 0;
}

int beacon_read(const void *data, size_t len, const uint8_t *key, struct beacon *ret_beacon)
{
	struct beacon beacon;
	int r = beacon_read_header(data, len, &beacon);

	if (r == 0 && beacon.flags & BEACON_PAIRING_OPEN)
		r = read_name(cursor_on((const uint8_t *)data + HEADER_LEN, len - HEADER_LEN), &beacon);
	else if (r == 0)
		r = unseal(data, len, key, &beacon);
	if (r == 0)
		*ret_beacon = beacon;
	return r;
}
