#include "net/beacon.h"

#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "tests/lib/test.h"

static const uint8_t key[BEACON_KEY_LEN] = {1, 2, 3};
static const uint8_t other_key[BEACON_KEY_LEN] = {1, 2, 4};

static struct beacon sealed_beacon(void)
{
	return (struct beacon){.port = 4000,
			       .instance = UINT64_C(0x0102030405060708),
			       .device = {{0xde, 0xad, 0xbe, 0xef, 9, 9, 9, 9, 0xfe, 0xed}},
			       .epoch = UINT64_C(0xa1a2a3a4a5a6a7a8)};
}

static struct beacon open_beacon(const char *name)
{
	struct beacon b = {.flags = BEACON_PAIRING_OPEN, .port = 65535, .instance = 7};

	strncpy(b.name, name, sizeof(b.name) - 1);
	return b;
}

static void assert_same(const struct beacon *a, const struct beacon *b)
{
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->port, b->port);
	assert_true(a->instance == b->instance && a->epoch == b->epoch);
	assert_int_equal(uuid_cmp(&a->device, &b->device), 0);
	assert_string_equal(a->name, b->name);
}

static void sealed(void **state)
{
	struct beacon b = sealed_beacon(), header, read;
	uint8_t bytes[BEACON_BYTES_MAX], again[BEACON_BYTES_MAX];
	size_t len;

	b.flags = BEACON_LEAVING;
	len = beacon_write(&b, key, bytes);
	assert_int_equal(len, 72);
	assert_int_equal(beacon_read(bytes, len, key, &read), 0);
	assert_same(&b, &read);
	assert_int_equal(beacon_read_header(bytes, len, &header), 0);
	assert_true(header.port == b.port && header.instance == b.instance && header.flags == b.flags);
	assert_true(uuid_is_nil(&header.device) && header.epoch == 0);
	assert_int_equal(beacon_write(&b, key, again), len);
	assert_memory_not_equal(bytes + 16, again + 16, len - 16); /* no two are alike */
}

static void only_members_read_it(void **state)
{
	struct beacon b = sealed_beacon(), read;
	uint8_t bytes[BEACON_BYTES_MAX];
	size_t len = beacon_write(&b, key, bytes);

	assert_int_equal(beacon_read(bytes, len, other_key, &read), -ERR_WRONG_KEY);
	assert_int_equal(beacon_read(bytes, len, NULL, &read), -ERR_WRONG_KEY);
	assert_null(memmem(bytes, len, b.device.bytes, 4));
	assert_null(memmem(bytes, len, "\xa1\xa2\xa3\xa4", 4));
}

static void each_changed_bit_is_noticed(void **state)
{
	struct beacon b = sealed_beacon(), read;
	uint8_t bytes[BEACON_BYTES_MAX];
	size_t len = beacon_write(&b, key, bytes);

	for (size_t bit = 0; bit < 8 * len; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(beacon_read(bytes, len, key, &read) < 0);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_true(beacon_read(bytes, cut, key, &read) < 0);
	assert_int_equal(beacon_read(bytes, len + 1, key, &read), -ERR_MALFORMED);
	assert_int_equal(beacon_read(bytes, len, key, &read), 0);
}

static void open_ones(void **state)
{
	char longest[BEACON_NAME_MAX + 1];
	const char *const names[] = {"", "Kitchen",
				     "K\xc3\xbc"
				     "che",
				     longest};

	memset(longest, 'x', BEACON_NAME_MAX);
	longest[BEACON_NAME_MAX] = '\0';
	for (int i = 0; i < 4; i++) {
		struct beacon b = open_beacon(names[i]), read;
		uint8_t bytes[BEACON_BYTES_MAX];
		size_t len = beacon_write(&b, NULL, bytes);

		assert_int_equal(len, 17 + strlen(names[i]));
		assert_int_equal(beacon_read(bytes, len, NULL, &read), 0);
		assert_same(&b, &read);
		assert_int_equal(beacon_read(bytes, len, key, &read), 0);
		assert_int_equal(beacon_read(bytes, len - 1, NULL, &read), -ERR_MALFORMED);
		assert_int_equal(beacon_read(bytes, len + 1, NULL, &read), -ERR_MALFORMED);
	}
}

/* Nothing that could steer a terminal or imitate a line of ours. */
static void bad_names(void **state)
{
	static const char *const names[] = {"a\x1b[2J", "a\nb", "a/b", "..", "\xff", "\xc2\x85"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct beacon b = open_beacon(names[i]), read;
		uint8_t bytes[BEACON_BYTES_MAX];
		size_t len = beacon_write(&b, NULL, bytes);

		assert_int_equal(beacon_read(bytes, len, NULL, &read), -ERR_MALFORMED);
	}
}

static void headers(void **state)
{
	uint8_t bytes[BEACON_BYTES_MAX + 1] = {0};
	struct beacon b = open_beacon("x"), read;
	size_t len = beacon_write(&b, NULL, bytes);

	bytes[4]++;
	assert_int_equal(beacon_read(bytes, len, NULL, &read), -ERR_STALE);
	bytes[4]--;
	bytes[0] ^= 1;
	assert_int_equal(beacon_read(bytes, len, NULL, &read), -ERR_MALFORMED);
	bytes[0] ^= 1;
	bytes[6] = bytes[7] = 0;
	assert_int_equal(beacon_read(bytes, len, NULL, &read), -ERR_MALFORMED);
	assert_int_equal(beacon_read(bytes, sizeof(bytes), NULL, &read), -ERR_TOO_LARGE);
	assert_int_equal(beacon_read(bytes, 0, NULL, &read), -ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sealed),
	    cmocka_unit_test(only_members_read_it),
	    cmocka_unit_test(each_changed_bit_is_noticed),
	    cmocka_unit_test(open_ones),
	    cmocka_unit_test(bad_names),
	    cmocka_unit_test(headers),
	};

	if (base_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
