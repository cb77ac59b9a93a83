/* The datagrams of discovery, in two ways by the first byte: as they are, or with a body that is sealed as a member of
 * the library would. What is read must survive being written again. */
#include <string.h>

#include "base/err.h"
#include "net/beacon.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/steady.h"

static const uint8_t key[BEACON_KEY_LEN] = {7};

static void check_same(const struct beacon *a, const struct beacon *b)
{
	FUZZ_CHECK(a->flags == b->flags && a->port == b->port && a->instance == b->instance);
	FUZZ_CHECK(uuid_cmp(&a->device, &b->device) == 0 && a->epoch == b->epoch);
	FUZZ_CHECK(memcmp(a->name, b->name, sizeof(a->name)) == 0);
}

static void read_datagram(const uint8_t *data, size_t len)
{
	uint8_t bytes[BEACON_BYTES_MAX];
	struct beacon header, read, again;
	int r = beacon_read(data, len, key, &read);
	int h = beacon_read_header(data, len, &header);
	size_t written;

	FUZZ_CHECK(r <= 0 && h <= 0 && (h == 0 || r == h));
	if (r < 0)
		return;
	FUZZ_CHECK(header.port == read.port && header.instance == read.instance && header.flags == read.flags);
	FUZZ_CHECK(strlen(read.name) <= BEACON_NAME_MAX);
	written = beacon_write(&read, key, bytes);
	FUZZ_CHECK(written == len);
	FUZZ_CHECK(beacon_read(bytes, written, key, &again) == 0);
	check_same(&read, &again);
}

/* Fields from the input, as far as it goes. */
static void round_trip(const uint8_t *data, size_t len)
{
	uint8_t fields[1 + 2 + 8 + UUID_LEN + 8] = {0};
	uint8_t bytes[BEACON_BYTES_MAX];
	struct beacon beacon = {0}, read;

	memcpy(fields, data, len < sizeof(fields) ? len : sizeof(fields));
	beacon.flags = fields[0] & (uint8_t)~BEACON_PAIRING_OPEN;
	memcpy(&beacon.port, fields + 1, 2);
	memcpy(&beacon.instance, fields + 3, 8);
	memcpy(beacon.device.bytes, fields + 11, UUID_LEN);
	memcpy(&beacon.epoch, fields + 11 + UUID_LEN, 8);
	if (beacon.port == 0)
		return;
	FUZZ_CHECK(beacon_read(bytes, beacon_write(&beacon, key, bytes), key, &read) == 0);
	check_same(&beacon, &read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	steady_random();
	if (len == 0)
		return 0;
	if (data[0] % 2 == 0)
		read_datagram(data + 1, len - 1);
	else
		round_trip(data + 1, len - 1);
	return 0;
}
